# The tenant that an organization of the deployment belongs to (setup.md D2).
# Data: organization (unique name), tenant; to undo also before.
# Undo takes of what was found: tenant
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json
if (-not (Get-PSSnapin -Name Microsoft.Crm.PowerShell -ErrorAction SilentlyContinue)) { Add-PSSnapin Microsoft.Crm.PowerShell }
$id = (Get-CrmOrganization -Name $data.organization).Id

function Get-Tenant {
    $entity = Get-CrmAdvancedSetting -Id $id -ConfigurationEntityName Organization -Setting S2STenantId
    foreach ($pair in @($entity.Attributes)) { if ($pair.Key -eq 'S2STenantId' -and "$($pair.Value)") { return "$($pair.Value)" } }
    return $null
}

if ($Mode -eq 'Apply') { Set-CrmAdvancedSetting -Id $id -ConfigurationEntityName Organization -Setting S2STenantId -Value $data.tenant }
if ($Mode -eq 'Undo') { Set-CrmAdvancedSetting -Id $id -ConfigurationEntityName Organization -Setting S2STenantId -Value "$($data.before)" }
@{ tenant = Get-Tenant } | ConvertTo-Json -Compress
