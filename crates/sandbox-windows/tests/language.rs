//! The language: what scripts can notice of PowerShell's own semantics.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use hybridge_sandbox_windows::{EMULATOR, Ended, Machine, run};
use serde_json::json;

fn machine() -> Machine {
    Machine::new("CRM01", "2026-11-23T12:00:00Z".parse().unwrap())
}

fn ended(script: &str) -> Ended {
    run(script, &json!({"name": "Ada", "list": [1, 2]}), &mut machine())
}

/// What scripts write, line by line; each must end well.
fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(script, expected)| {
            let ended = ended(script);
            let written = ended.stdout.trim_end().replace('\n', "|");
            let good = ended.exit == 0 && ended.stderr.is_empty() && written == *expected;
            (!good).then(|| format!("{script}\n   expected {expected}\n   got {written} {}", ended.stderr))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn expressions_give_what_powershell_gives() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("7 / 2", "3.5"),
        ("'a' + 1", "a1"),
        ("'5' - 2", "3"),
        ("(1..4) -join ','", "1,2,3,4"),
        ("'A' -eq 'a'", "True"),
        ("'A' -ceq 'a'", "False"),
        ("(1, 2, 3, 2 -eq 2).Count", "2"),
        ("$null -eq @()", "False"),
        ("@($null).Count", "1"),
        ("@().Count", "0"),
        ("[bool]@(0)", "False"),
        ("[bool]@(0, 0)", "True"),
        ("[bool]'False'", "True"),
        ("'abc' -like 'A*'", "True"),
        ("'abc' -match 'B(.)' ; $Matches[1]", "True|c"),
        ("'a-b-c' -replace '-(.)', '+$1'", "a+b+c"),
        ("'a,b,,c' -split ','", "a|b||c"),
        ("'{0:x2}-{1,4}' -f 10, 'z'", "0a-   z"),
        ("\"x=$(1 + 1) `\"q`\" $env:COMPUTERNAME\"", "x=2 \"q\" CRM01"),
        ("'it''s $x'", "it's $x"),
        ("$h = @{ Name = 'n' }; \"a $($h.name) b\"", "a n b"),
        ("@'\nline $x\n  two\n'@", "line $x|  two"),
        ("$x = 5; @\"\nline $x\n\"@", "line 5"),
        ("'a' -in 'A', 'b'", "True"),
        ("-not ''", "True"),
        ("('a','b','c')[-1]", "c"),
        ("'abc'.Substring(1, 1).ToUpper()", "B"),
        ("[string]::IsNullOrEmpty($null)", "True"),
        ("[Convert]::ToBase64String([Convert]::FromBase64String('AQID'))", "AQID"),
        ("[DateTime]::UtcNow.ToString('o')", "2026-11-23T12:00:00.0000000Z"),
        ("(Get-Date).AddDays(1).ToString('yyyy-MM-dd')", "2026-11-24"),
        ("([datetime]'2026-12-03' - (Get-Date)).TotalDays", "9.5"),
        ("(,@(1,2)).Count", "1"),
    ]);
}

#[test]
fn pipelines_unroll_and_gather() {
    check(&[
        ("$x = 1, 2 | Where-Object { $_ -gt 1 }; $x.GetType().Name", "Int32"),
        ("$x = 1, 2 | Where-Object { $_ -gt 5 }; $null -eq $x", "True"),
        ("$x = 1, 2 | Where-Object { $_ -gt 5 }; $x | ForEach-Object { 'ran' }; 'end'", "end"),
        ("$null | ForEach-Object { 'ran' }", "ran"),
        ("foreach ($i in $null) { 'ran' }; 'end'", "end"),
        ("function f { return ,@(1) }; (f).GetType().Name", "Object[]"),
        ("function f { @(1) }; (f).GetType().Name", "Int32"),
        ("@(3, 1, 2) | Sort-Object -Descending", "3|2|1"),
        ("'b', 'a', 'B' | Group-Object | Where-Object { $_.Count -gt 1 } | ForEach-Object { $_.Name }", "b"),
        ("(1, 2, 3 | Measure-Object -Sum).Sum", "6"),
        ("1..5 | Select-Object -First 2", "1|2"),
        ("@([pscustomobject]@{ N = 1 }, [pscustomobject]@{ N = 2 }).N -join ','", "1,2"),
        ("$a = @(); $a += 1; $a += 2; $a.Count", "2"),
        ("$s = 0; for ($i = 0; $i -lt 4; $i++) { if ($i -eq 2) { continue }; $s += $i }; $s", "4"),
        ("switch ('b') { 'a' { 1 }; 'B' { 2 }; default { 3 } }", "2"),
        ("$i = 0; while ($true) { $i++; if ($i -gt 3) { break } }; $i", "4"),
    ]);
}

#[test]
fn json_is_written_as_windows_powershell_writes_it() {
    check(&[
        ("@(1) | ConvertTo-Json -Compress", "1"),
        ("ConvertTo-Json @(1) -Compress", "[1]"),
        ("@{ a = @(1) } | ConvertTo-Json -Compress", r#"{"a":[1]}"#),
        ("@{ a = $null } | ConvertTo-Json -Compress", r#"{"a":null}"#),
        (
            "@{ a = @{ b = @{ c = @{ d = 1 } } } } | ConvertTo-Json -Compress",
            r#"{"a":{"b":{"c":"System.Collections.Hashtable"}}}"#,
        ),
        (
            "@{ a = @{ b = @{ c = @{ d = 1 } } } } | ConvertTo-Json -Compress -Depth 5",
            r#"{"a":{"b":{"c":{"d":1}}}}"#,
        ),
        ("'<a>' | ConvertTo-Json", r#""\u003ca\u003e""#),
        ("(Get-Date) | ConvertTo-Json", r#""/Date(1795435200000)/""#),
        ("('[1,2]' | ConvertFrom-Json | ForEach-Object { 'once' })", "once"),
        ("$in = [Console]::In.ReadToEnd() | ConvertFrom-Json; \"$($in.name) $($in.list.Count)\"", "Ada 2"),
    ]);
}

#[test]
fn errors_end_what_they_end() {
    check(&[
        ("try { throw 'x' } catch { \"c $_\" } finally { 'f' }", "c x|f"),
        ("try { [int]'no' } catch { $_.Exception.GetType().Name }", "PSInvalidCastException"),
        (
            "try { $null.Trim() } catch { $_.Exception.Message }",
            "You cannot call a method on a null-valued expression.",
        ),
        ("try { Write-Error 'e' -ErrorAction Stop } catch { 'caught' }", "caught"),
        ("$ErrorActionPreference = 'Stop'; try { Write-Error 'e' } catch { 'caught' }", "caught"),
        ("Write-Error 'e' -ErrorAction SilentlyContinue; 'on'", "on"),
        ("function f { param([string]$A = 'd', [switch]$S); \"$A $S\" }; f; f -S x", "d False|x True"),
        ("function f($a, $b) { \"$a-$b\" }; $p = @{ a = 1; b = 2 }; f @p", "1-2"),
        ("$x = 1; function f { $x = 2; $script:y = 3 }; f; \"$x $y\"", "1 3"),
        ("try { throw 'a' } catch [System.ArgumentException] { 'wrong' } catch { 'right' }", "right"),
    ]);
}

#[test]
fn more_of_what_scripts_use() {
    check(&[
        ("$a = $b = 2; \"$a$b\"", "22"),
        ("if (($x = 5)) { $x }", "5"),
        ("$block = { param($n) $n * 2 }; & $block 4", "8"),
        ("& { 'a'; 'b' } | ForEach-Object { \"<$_>\" }", "<a>|<b>"),
        ("function f { foreach ($i in 1, 2, 3) { if ($i -eq 2) { return $i } } }; f", "2"),
        ("$h = @{ b = 1; a = 2 }; ($h.Keys | Sort-Object) -join ','", "a,b"),
        ("@(1) -is [array]", "True"),
        ("'x' -isnot [string]", "False"),
        ("\"$(@(1, 2))\"", "1 2"),
        ("[string[]]$x = 'a', 1; $x[1].GetType().Name", "String"),
        (
            "try { throw [System.InvalidOperationException]::new('bad') } catch [System.InvalidOperationException] { $_.Exception.Message }",
            "bad",
        ),
        ("try { try { throw 'in' } catch { throw } } catch { \"out $_\" }", "out in"),
        ("try { try { throw 'in' } finally { 'fin' } } catch { \"out $_\" }", "fin|out in"),
        ("try { throw 'x' } catch { $_.InvocationInfo.ScriptLineNumber }", "1"),
        ("function f { exit 0 }; 'a'; f; 'b'", "a"),
        ("$x = @{}; $x['k'] = 1; $x.Count; $x.ContainsKey('K')", "1|True"),
        ("$l = [System.Collections.ArrayList]@(); $l.Count", "0"),
        ("'a b'.Split(' ')[1]", "b"),
        ("(1, 2, 3)[0, 2] -join '-'", "1-3"),
        (
            "$o = [pscustomobject]@{ A = 1 }; $o | Add-Member -NotePropertyName B -NotePropertyValue 2; $o.B",
            "2",
        ),
        ("$o = [pscustomobject]@{ A = 1 }; \"$o\"", "@{A=1}"),
        ("[int]'12' + [int]2.5", "14"),
        ("@('b', 'a', 'b') | Select-Object -Unique", "b|a"),
        ("(@([pscustomobject]@{ n = 2 }, [pscustomobject]@{ n = 1 }) | Sort-Object n).n -join ','", "1,2"),
        ("function f { param($x)\n begin { 'b' } process { \"p$_\" } end { 'e' } }; 1, 2 | f", "b|p1|p2|e"),
        ("$x = $null; $x.Count", "0"),
        ("$error.Clear(); Write-Error 'e' -ErrorAction SilentlyContinue; $error.Count", "1"),
        (
            "function f { [CmdletBinding()] param([string]$A)\n $PSBoundParameters.ContainsKey('A') }; f; f -A 1",
            "False|True",
        ),
        ("$a, $b = 'x', 'y'; \"$b$a\"", "yx"),
        ("'{0:N2}|{1:yyyy}' -f 3.14159, (Get-Date)", "3.14|2026"),
        ("Set-StrictMode -Version Latest; try { (5).Count } catch { 'strict' }", "strict"),
        ("Set-StrictMode -Version Latest; @(5).Count", "1"),
        ("$i = 5; $i -= 2; $i *= 3; $i", "9"),
        ("[regex]::Escape('a.b')", "a\\.b"),
        ("'abc'[0]", "a"),
        ("(Get-Date '2026-01-02').ToString('yyyyMMdd')", "20260102"),
        ("[Math]::Floor(2.7)", "2"),
        ("$s = 'x'; $s += 'y'; $s", "xy"),
        ("if (@() -or @(0)) { 1 } else { 2 }", "2"),
        ("'a' , 'b' | ForEach-Object -Process { $_.ToUpper() }", "A|B"),
    ]);
}

#[test]
fn an_error_that_nobody_catches_shows_in_the_exit_code() {
    let thrown = ended("'before'; throw 'broken'; 'after'");
    assert_eq!((thrown.exit, thrown.stdout.as_str()), (1, "before\n"));
    assert!(thrown.stderr.contains("broken"), "{}", thrown.stderr);
    // Without `Stop`, the error ends the statement and not the script.
    let continued = ended("$null.Trim(); 'after'");
    assert_eq!((continued.exit, continued.stdout.as_str()), (0, "after\n"));
    let stopped = ended("$ErrorActionPreference = 'Stop'; $null.Trim(); 'after'");
    assert_eq!((stopped.exit, stopped.stdout.as_str()), (1, ""));
    assert_eq!(ended("exit 3").exit, 3);
    let strict = ended(
        "Set-StrictMode -Version Latest; $ErrorActionPreference = 'Stop'; ([pscustomobject]@{ a = 1 }).b",
    );
    assert!(strict.exit == 1 && strict.stderr.contains("'b'"), "{strict:?}");
}

#[test]
fn what_is_not_known_is_named_with_its_line_and_never_caught() {
    for (script, what) in [
        ("1\ntry { Get-Nonsense } catch { 'hidden' }", "line 2: the command Get-Nonsense"),
        ("if ($false) { class A { } }", "line 1: "),
        ("\n[Nonsense]::Go()", "line 2: [Nonsense]::Go"),
        ("Get-Date -Nonsense 1", "the parameter -Nonsense of Get-Date"),
        ("\ntry { [string] | ConvertTo-Json } catch { 'hidden' }", "line 2: a System.RuntimeType as JSON"),
        ("Remove-Item C:\\x -WhatIf", "-WhatIf or -Confirm of Remove-Item"),
        ("'a'.Nonsense()", "the method nonsense of System.String"),
        ("(Get-Date).Nonsense", "Nonsense of System.DateTime"),
        ("if (", "line 1"),
    ] {
        let ended = ended(script);
        assert_eq!(ended.exit, EMULATOR, "{script}: {ended:?}");
        assert!(ended.stderr.contains(what), "{script}: {}", ended.stderr);
    }
}
