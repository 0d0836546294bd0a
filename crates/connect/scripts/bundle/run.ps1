# Runs what this bundle holds for this server. Made by Hybridge; read README.txt first.
#   Probe  looks, and changes nothing.
#   Plan   looks, tells what Apply would run, and changes nothing.
#   Apply  makes what is wanted, in the order of manifest.json, and stops at the first failure.
#   Undo   puts back what Apply found here, last step first.
# Writes results-*.json and transcript-*.txt into this folder. Neither holds a secret.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Plan', 'Apply', 'Undo')] [string] $Mode,
    [switch] $DoneElsewhere
)

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$invariant = [Globalization.CultureInfo]::InvariantCulture

if ("$($ExecutionContext.SessionState.LanguageMode)" -ne 'FullLanguage') {
    throw 'PowerShell is held in constrained language mode here. Have these scripts signed, and their publisher allowed by App Control.'
}
if ($PSVersionTable.PSVersion.Major -ne 5 -or $PSVersionTable.PSVersion.Minor -lt 1) {
    throw 'Start this with Windows PowerShell 5.1 (powershell.exe): other versions cannot load what Dynamics brings.'
}
$identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object Security.Principal.WindowsPrincipal($identity)
if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
    throw 'Start this as administrator: right-click Windows PowerShell, Run as administrator.'
}

function Get-Utc($form) { (Get-Date).ToUniversalTime().ToString($form, $invariant) }

# The SHA-256 of a text. A signature at its end does not count, so that the scripts can be signed.
function Get-Hash([string] $text) {
    $at = $text.IndexOf('# SIG # Begin signature block')
    if ($at -ge 0) {
        foreach ($line in ($text.Substring($at) -split '[\r\n]')) {
            if ($line -and -not $line.StartsWith('#')) { throw 'Something follows the signature of a script.' }
        }
        $text = $text.Substring(0, $at)
    }
    $sha = New-Object Security.Cryptography.SHA256CryptoServiceProvider
    $hash = $sha.ComputeHash([Text.Encoding]::UTF8.GetBytes($text.TrimEnd()))
    [BitConverter]::ToString($hash).Replace('-', '').ToLower()
}

# A file of this bundle, if it still is what it was when the bundle was made.
function Get-Checked($file, $hash) {
    $text = [IO.File]::ReadAllText((Join-Path $PSScriptRoot $file))
    if ((Get-Hash $text) -ne $hash) { throw "$file is not what it was when the bundle was made. Fetch the bundle again; nothing of this file was run." }
    $text
}

$manifest = [IO.File]::ReadAllText((Join-Path $PSScriptRoot 'manifest.json')) | ConvertFrom-Json
if ($Mode -ne 'Undo' -and (Get-Utc 'yyyy-MM-ddTHH:mm:ssZ') -gt $manifest.expires) {
    throw "This bundle was good until $($manifest.expires). Make a new one: hybridge connect export"
}
# A computer's name is cut to 15 characters.
$own = @($manifest.orders | Where-Object {
    $name = $_.server.Split('.')[0]
    $name.Substring(0, [Math]::Min(15, $name.Length)) -eq $env:COMPUTERNAME
})
if ($own.Count -eq 0) { throw "This bundle holds nothing for $env:COMPUTERNAME." }
foreach ($order in $own) {
    $null = Get-Checked $order.script $order.sha256
    foreach ($data in (@($order.probes) + @($order.applies))) { $null = Get-Checked $data.file $data.sha256 }
}

# A person types a secret once; it stays in this process.
$secrets = @{}
function Get-Secret($words) {
    if (-not $secrets.ContainsKey($words)) { $secrets[$words] = Read-Host -Prompt $words -AsSecureString }
    $secrets[$words]
}

function Invoke-Order($order, $mode, $json, $words) {
    $call = @{ Mode = $mode; Json = $json }
    if ($words) { $call.Secret = Get-Secret $words }
    @(& (Join-Path $PSScriptRoot $order.script) @call) -join ''
}

function Get-State($order) {
    @(foreach ($data in @($order.probes)) { Invoke-Order $order 'Probe' (Get-Checked $data.file $data.sha256) $null })
}

# What the first Apply of this bundle found here, where it changed something.
function Get-Before($order) {
    $files = @(Get-ChildItem -Path $PSScriptRoot -Filter "results-$env:COMPUTERNAME-*.json" | Sort-Object Name)
    foreach ($file in $files) {
        $told = ([IO.File]::ReadAllText($file.FullName) | ConvertFrom-Json).results
        if ($told.mode -ne 'Apply' -or $told.bundle -ne $manifest.bundle) { continue }
        foreach ($one in @($told.orders)) {
            if ($one.id -eq $order.id -and @('changed', 'failed') -contains $one.status -and @($one.before).Count -gt 0) { return @{ state = @($one.before)[0] } }
        }
    }
    return $null
}

function Undo-Order($order) {
    $found = Get-Before $order
    if ($null -eq $found) { return $false }
    $before = $found.state
    if ($order.undoes) { $member = $order.undoes; $before = $before.$member }
    foreach ($data in @($order.applies)) {
        $told = (Get-Checked $data.file $data.sha256) | ConvertFrom-Json
        $told | Add-Member -NotePropertyName before -NotePropertyValue $before -Force
        $null = Invoke-Order $order 'Undo' ($told | ConvertTo-Json -Depth 20 -Compress) $null
    }
    return $true
}

function Invoke-One($order) {
    $begun = Get-Date
    $told = @{ id = $order.id; step = $order.step; server = $order.server; script = $order.sha256; before = @(); after = @(); status = 'unchanged'; error = '' }
    try {
        $before = @(Get-State $order)
        $told.before = @($before | ForEach-Object { $_ | ConvertFrom-Json })
        $after = $before
        if ($Mode -eq 'Apply' -and @($order.applies).Count -gt 0) {
            foreach ($data in @($order.applies)) { $null = Invoke-Order $order 'Apply' (Get-Checked $data.file $data.sha256) $data.secret }
            $after = @(Get-State $order)
        }
        if ($Mode -eq 'Undo' -and (Undo-Order $order)) { $after = @(Get-State $order) }
        if (($before -join '|') -ne ($after -join '|')) { $told.status = 'changed' }
        $told.after = @($after | ForEach-Object { $_ | ConvertFrom-Json })
    } catch {
        $told.status = 'failed'
        $told.error = "$($_.Exception.Message)"
    }
    $told.at = Get-Utc 'yyyy-MM-ddTHH:mm:ssZ'
    $told.seconds = [int] ((Get-Date) - $begun).TotalSeconds
    $told
}

$stamp = Get-Utc 'yyyyMMddTHHmmssZ'
$null = Start-Transcript -Path (Join-Path $PSScriptRoot "transcript-$env:COMPUTERNAME-$stamp.txt") -IncludeInvocationHeader
$code = 0
$done = @()
try {
    if ($Mode -eq 'Undo') { $own = @($own[($own.Count - 1)..0]) }
    foreach ($order in $own) {
        $waits = @($order.elsewhere)
        if ($Mode -eq 'Apply' -and @($order.applies).Count -gt 0 -and $waits.Count -gt 0 -and -not $DoneElsewhere) {
            Write-Output "waits      $($order.step): first run Apply elsewhere ($($waits -join '; ')). Then here again: run.ps1 -Mode Apply -DoneElsewhere"
            $code = 3
            break
        }
        if ($Mode -eq 'Plan') {
            foreach ($data in @($order.applies)) { Write-Output "would run  $($order.script) -Mode Apply with $($data.file)" }
        }
        $one = Invoke-One $order
        $done += , $one
        Write-Output "$($one.status.PadRight(10)) $($order.step): $($order.title)"
        if ($Mode -eq 'Probe' -or $Mode -eq 'Plan') {
            foreach ($state in @($one.before)) { Write-Output "           $($state | ConvertTo-Json -Depth 20 -Compress)" }
        }
        if ($one.status -eq 'failed') {
            Write-Output "           $($one.error)"
            $code = 1
            if ($Mode -eq 'Apply') { break }
        }
    }
} finally {
    $results = @{
        bundle = $manifest.bundle; host = $env:COMPUTERNAME; who = $identity.Name; mode = $Mode; at = Get-Utc 'yyyy-MM-ddTHH:mm:ssZ'; orders = $done
    } | ConvertTo-Json -Depth 30 -Compress
    $file = Join-Path $PSScriptRoot "results-$env:COMPUTERNAME-$stamp.json"
    [IO.File]::WriteAllText($file, '{"sha256":"' + (Get-Hash $results) + '","results":' + $results + '}')
    Write-Output "Written: $file. Bring it to Hybridge: hybridge connect import FILE"
    $null = Stop-Transcript
}
exit $code
