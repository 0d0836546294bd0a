# The servers and organizations of the deployment, and how people sign in (setup.md P1, P3, P5). Changes nothing.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
if (-not (Get-PSSnapin -Name Microsoft.Crm.PowerShell -ErrorAction SilentlyContinue)) { Add-PSSnapin Microsoft.Crm.PowerShell }
$null = @(Get-CrmCertificate)
@{
    servers       = @(Get-CrmServer | ForEach-Object { @{ name = $_.Name; roles = @($_.Roles | ForEach-Object { "$_" }) } })
    organizations = @(Get-CrmOrganization | ForEach-Object { @{ name = $_.UniqueName; id = "$($_.Id)"; state = "$($_.State)" } })
    claims        = [bool] (Get-CrmSetting -SettingType ClaimsSettings).Enabled
    ifd           = [bool] (Get-CrmSetting -SettingType IfdSettings).Enabled
} | ConvertTo-Json -Compress -Depth 6
