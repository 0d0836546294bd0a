#Requires -Version 5.1
<#
  Idioms of administrators' scripts.
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $false)]
    [ValidateSet('Probe', 'Apply')]
    [string]$Mode = 'Probe'
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = [System.Text.Encoding]::UTF8

function Test-Elevated {
    $principal = [Security.Principal.WindowsPrincipal][Security.Principal.WindowsIdentity]::GetCurrent()
    return $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
}

function New-Answer {
    param(
        [Parameter(Mandatory)] [string]$Name,
        [object]$Value,
        [switch]$Twice
    )
    $answer = [ordered]@{ name = $Name; value = $Value }
    if ($Twice) { $answer.twice = $true }
    [pscustomobject]$answer
}

function Get-Sum([int[]]$Numbers) {
    $sum = 0
    foreach ($number in $Numbers) { $sum += $number }
    $sum
}

$in = [Console]::In.ReadToEnd() | ConvertFrom-Json
$list = New-Object 'System.Collections.Generic.List[object]'
[void]$list.Add((New-Answer -Name 'elevated' -Value (Test-Elevated)))
$list.Add((New-Answer 'sum' (Get-Sum -Numbers 1, 2, 3) -Twice)) | Out-Null
$arguments = @{
    Name  = 'language'
    Value = "$($ExecutionContext.SessionState.LanguageMode)"
}
$list.Add((New-Answer @arguments))

$keys = @()
foreach ($property in $in.PSObject.Properties) { $keys += $property.Name }
$list.Add((New-Answer -Name keys -Value ($keys -join '+')))

$caught = $null
try {
    Get-Item -Path 'C:\nowhere' | Out-Null
}
catch [System.Management.Automation.ItemNotFoundException] {
    $caught = "gone: $($_.Exception.Message)"
}
catch { $caught = 'other' }
$list.Add((New-Answer -Name caught -Value $caught))

if ($null -eq (Get-Command Get-CrmServer -ErrorAction SilentlyContinue)) { $list.Add((New-Answer -Name snapin -Value $false)) }

$table = @{}
foreach ($pair in @('b=2', 'a=1')) {
    $parts = $pair.Split('=')
    $table[$parts[0]] = [int]$parts[1]
}
$ordered = $table.GetEnumerator() | Sort-Object -Property Name | ForEach-Object { '{0}:{1:d2}' -f $_.Key, $_.Value }
$list.Add((New-Answer -Name table -Value $ordered))

$tries = 0
do {
    $tries++
    Start-Sleep -Seconds 1
} until ($tries -ge 3)

$kind = switch -Regex ($in.text) {
    '^x' { 'x'; break }
    '\d+' { "digits $($Matches[0])"; break }
    default { 'none' }
}
$list.Add((New-Answer -Name kind -Value $kind))

$long = Get-Service -Name 'MSCRM*' |
    Where-Object Status -eq 'Running' |
    Select-Object -ExpandProperty Name
$list.Add((New-Answer -Name services -Value @($long)))
$list.Add((New-Answer -Name first -Value (@($long)[0].Substring(0, 5).ToLowerInvariant())))

$text = if ($Mode -eq 'Probe') { 'probing' } else { 'applying' }
$message = "Mode ${Mode}: $text, " + `
    'continued'
$list.Add((New-Answer -Name message -Value $message))
$list.Add((New-Answer -Name slice -Value (@(1, 2, 3, 4)[1..2])))
$list.Add((New-Answer -Name ternary -Value (@{ $true = "yes"; $false = "no" }[$tries -eq 3])))
$list.Add((New-Answer -Name since -Value ([int]((Get-Date) - (Get-Date).AddHours(-2)).TotalMinutes)))
$list.Add((New-Answer -Name nested -Value ([pscustomobject]@{ deep = @{ list = @(@(1, 2), @(3)) } })))
$list.Add((New-Answer -Name sum -Value ($list | Measure-Object).Count))
$list.Add((New-Answer -Name stamp -Value ([DateTime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture))))

[Console]::Out.Write((ConvertTo-Json -InputObject @($list) -Depth 6 -Compress))
exit 0
