# The ways to sign in at AD FS on the intranet (setup.md F2). The cmdlet replaces the whole list, so that the list that is
# there is kept and forms are added to it.
# Data: to undo before (providers).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json

function Get-Providers { @((Get-AdfsGlobalAuthenticationPolicy).PrimaryIntranetAuthenticationProvider | ForEach-Object { "$_" }) }

$providers = @(Get-Providers)
$list = $providers
if ($Mode -eq 'Apply' -and -not ($providers -contains 'FormsAuthentication')) { $list = $providers + 'FormsAuthentication' }
if ($Mode -eq 'Undo') { $list = @($data.before.providers) }
if (($list -join ',') -ne ($providers -join ',')) {
    Set-AdfsGlobalAuthenticationPolicy -PrimaryIntranetAuthenticationProvider $list
    $providers = @(Get-Providers)
}
@{ providers = $providers } | ConvertTo-Json -Compress -Depth 6
