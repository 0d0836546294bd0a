# Which clients may ask AD FS for tokens for Dynamics (setup.md F5). AD FS before Windows Server 2016 has no such
# permissions. The identifier has to be exactly as the relying party has it, the slash at its end included.
# Data: clients (their ids), identifier; to undo also before (granted).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json
if ($null -eq (Get-Command Get-AdfsApplicationPermission -ErrorAction SilentlyContinue)) {
    @{ needed = $false } | ConvertTo-Json -Compress
    return
}
$known = @(Get-AdfsRelyingPartyTrust | ForEach-Object { $_.Identifier } | ForEach-Object { "$_" })
$identifier = @($known | Where-Object { $_.TrimEnd('/') -eq "$($data.identifier)".TrimEnd('/') })[0]
if (-not $identifier) { throw "No relying party of AD FS has the identifier $($data.identifier)." }

function Test-Granted($client) {
    @(Get-AdfsApplicationPermission | Where-Object { $_.ClientRoleIdentifier -eq $client -and $_.ServerRoleIdentifier -ceq $identifier }).Count -gt 0
}

foreach ($client in @($data.clients)) {
    $granted = Test-Granted $client
    if ($Mode -eq 'Apply' -and -not $granted) {
        Grant-AdfsApplicationPermission -ClientRoleIdentifier $client -ServerRoleIdentifier $identifier
    }
    if ($Mode -eq 'Undo' -and $granted -and -not (@($data.before.granted) -contains $client)) {
        Revoke-AdfsApplicationPermission -TargetClientRoleIdentifier $client -TargetServerRoleIdentifier $identifier
    }
}
@{ needed = $true; identifier = $identifier; granted = @(@($data.clients) | Where-Object { Test-Granted $_ }) } | ConvertTo-Json -Compress -Depth 6
