# What this server is, and whether it can be worked on (setup.md P1, P2, P3). Changes nothing.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$identity = [Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object Security.Principal.WindowsPrincipal($identity)
$elevated = $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)
$services = @(Get-CimInstance -ClassName Win32_Service | Where-Object { $_.Name -like 'MSCRM*' -or $_.Name -eq 'adfssrv' } | ForEach-Object {
    @{ name = $_.Name; account = $_.StartName; state = $_.State }
})
$snapin = @(Get-PSSnapin -Registered | Where-Object { $_.Name -eq 'Microsoft.Crm.PowerShell' }).Count -gt 0
@{
    computer   = $env:COMPUTERNAME
    powershell = $PSVersionTable.PSVersion.Major
    elevated   = $elevated
    services   = $services
    snapin     = $snapin
} | ConvertTo-Json -Compress -Depth 6
