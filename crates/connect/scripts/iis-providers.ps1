# How the web services of Dynamics take Windows authentication (setup.md F7). Changes nothing.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
Import-Module WebAdministration
$filter = 'system.webServer/security/authentication/windowsAuthentication'
$told = @{}
foreach ($path in 'XRMServices/2011', 'nga', 'AppWebServices') {
    $place = @{ PSPath = 'MACHINE/WEBROOT/APPHOST'; Location = "Microsoft Dynamics CRM/$path"; Filter = $filter }
    $enabled = [bool] (Get-WebConfigurationProperty @place -Name enabled).Value
    $providers = @((Get-WebConfigurationProperty @place -Name providers).Collection | ForEach-Object { "$($_.Value)" })
    $told[$path] = @{ enabled = $enabled; providers = $providers }
}
@{ paths = $told } | ConvertTo-Json -Compress -Depth 6
