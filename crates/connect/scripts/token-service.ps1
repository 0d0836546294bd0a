# Whom the deployment trusts to issue tokens (setup.md D1).
# Data: principal, metadata; to undo also before.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json
if (-not (Get-PSSnapin -Name Microsoft.Crm.PowerShell -ErrorAction SilentlyContinue)) { Add-PSSnapin Microsoft.Crm.PowerShell }

$names = @{ principal = 'S2SDefaultAuthorizationServerPrincipalId'; metadata = 'S2SDefaultAuthorizationServerMetadataUrl' }

function Get-Value($name) {
    $entity = Get-CrmAdvancedSetting -ConfigurationEntityName ServerSettings -Setting $name
    foreach ($pair in @($entity.Attributes)) { if ($pair.Key -eq $name -and "$($pair.Value)") { return "$($pair.Value)" } }
    return $null
}

function Set-Values($values) {
    $entity = New-Object Microsoft.Xrm.Sdk.Deployment.ConfigurationEntity
    $entity.LogicalName = 'ServerSettings'
    $entity.Attributes = New-Object Microsoft.Xrm.Sdk.Deployment.AttributeCollection
    foreach ($key in 'principal', 'metadata') {
        $value = "$($values.$key)"
        $entity.Attributes.Add((New-Object 'System.Collections.Generic.KeyValuePair[String, Object]' ($names[$key], $value)))
    }
    Set-CrmAdvancedSetting -Entity $entity
}

if ($Mode -eq 'Apply') { Set-Values $data }
if ($Mode -eq 'Undo') { Set-Values $data.before }
@{ principal = Get-Value $names.principal; metadata = Get-Value $names.metadata } | ConvertTo-Json -Compress
