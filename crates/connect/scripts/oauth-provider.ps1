# Whether the deployment takes tokens of AD FS (setup.md F3). It needs claims-based authentication first.
# Data: to undo before (enabled).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json
if (-not (Get-PSSnapin -Name Microsoft.Crm.PowerShell -ErrorAction SilentlyContinue)) { Add-PSSnapin Microsoft.Crm.PowerShell }

$settings = Get-CrmSetting -SettingType OAuthClaimsSettings
$wanted = [bool] $settings.Enabled
if ($Mode -eq 'Apply') { $wanted = $true }
if ($Mode -eq 'Undo') { $wanted = [bool] $data.before.enabled }
if ([bool] $settings.Enabled -ne $wanted) {
    $settings.Enabled = $wanted
    Set-CrmSetting -Setting $settings
    $settings = Get-CrmSetting -SettingType OAuthClaimsSettings
}
@{
    enabled = [bool] $settings.Enabled
    claims  = [bool] (Get-CrmSetting -SettingType ClaimsSettings).Enabled
} | ConvertTo-Json -Compress -Depth 6
