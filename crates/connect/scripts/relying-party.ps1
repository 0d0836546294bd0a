# Whom AD FS issues claims for, by which rules, and what it signs them with (setup.md F1, 5.1 row 5). Changes nothing.
# Data: identifiers (of the relying party of Dynamics).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json
$wanted = @($data.identifiers | ForEach-Object { "$_".TrimEnd('/') })
$trusts = @()
foreach ($trust in @(Get-AdfsRelyingPartyTrust)) {
    $own = @($trust.Identifier | ForEach-Object { "$_" })
    if (@($own | Where-Object { $wanted -contains $_.TrimEnd('/') }).Count -eq 0) { continue }
    $trusts += @{ name = $trust.Name; enabled = [bool] $trust.Enabled; identifiers = $own; rules = "$($trust.IssuanceTransformRules)" }
}
$signing = @(Get-AdfsCertificate -CertificateType Token-Signing | ForEach-Object {
    @{
        thumbprint = $_.Thumbprint
        primary    = [bool] $_.IsPrimary
        ends       = $_.Certificate.NotAfter.ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture)
    }
})
@{ trusts = $trusts; signing = $signing } | ConvertTo-Json -Compress -Depth 6
