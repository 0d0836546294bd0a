# The signing certificate in the store of this server (setup.md C3).
# Data: thumbprint, certificate (base64, public); to apply also pfx (base64) or file (beside this script), whose password is the secret;
# store, where it is not My.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json
$store = 'My'
if ($data.store) { $store = $data.store }
$path = "Cert:\LocalMachine\$store\" + $data.thumbprint

# 1 and 2 are keys of the old providers (1 is for key exchange), 0 is a CNG key; 'closed' may not be opened by this account.
function Get-KeySpec($certificate) {
    if (-not $certificate.HasPrivateKey) { return $null }
    # A CNG key is none to this property: it gives nothing, or throws.
    $key = $null
    try { $key = $certificate.PrivateKey } catch { $key = $null }
    if ($null -ne $key -and $null -ne $key.CspKeyContainerInfo) {
        if ("$($key.CspKeyContainerInfo.KeyNumber)" -eq 'Exchange') { return 1 }
        return 2
    }
    try { $null = [Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPrivateKey($certificate) } catch { return 'closed' }
    return 0
}

function Get-State {
    $own = @()
    if (Test-Path -Path $path) { $own = @(Get-Item -Path $path) }
    $others = @()
    if ($data.certificate) {
        # By the name as Windows writes it, which is how Dynamics looks.
        $subject = (New-Object Security.Cryptography.X509Certificates.X509Certificate2(,[Convert]::FromBase64String($data.certificate))).Subject
        $others = @(Get-ChildItem -Path Cert:\LocalMachine\My | Where-Object { $_.Subject -eq $subject -and $_.Thumbprint -ne $data.thumbprint } | ForEach-Object { $_.Thumbprint })
    }
    $spec = $null
    if ($own.Count -gt 0) { $spec = Get-KeySpec $own[0] }
    @{ installed = $own.Count -gt 0; keySpec = $spec; others = $others }
}

function Import-Signing {
    $bytes = $null
    if ($data.pfx) { $bytes = [Convert]::FromBase64String($data.pfx) }
    else { $bytes = [IO.File]::ReadAllBytes((Join-Path $PSScriptRoot $data.file)) }
    $flags = [Security.Cryptography.X509Certificates.X509KeyStorageFlags] 'MachineKeySet, PersistKeySet'
    $certificate = New-Object Security.Cryptography.X509Certificates.X509Certificate2($bytes, $Secret, $flags)
    if ($certificate.Thumbprint -ne $data.thumbprint) { throw "The file holds the certificate $($certificate.Thumbprint), not $($data.thumbprint)." }
    $opened = New-Object Security.Cryptography.X509Certificates.X509Store($store, 'LocalMachine')
    $opened.Open('ReadWrite')
    try { $opened.Add($certificate) } finally { $opened.Close() }
}

$state = Get-State
if ($Mode -eq 'Apply' -and -not ($state.installed -and $state.keySpec -eq 1)) {
    if ($state.installed) { Remove-Item -Path $path -DeleteKey }
    Import-Signing
    $state = Get-State
    if ($state.keySpec -ne 1) {
        Remove-Item -Path $path -DeleteKey
        throw "The key of $($data.thumbprint) came into a provider that Dynamics cannot use (KeySpec $($state.keySpec))."
    }
}
if ($Mode -eq 'Undo' -and $state.installed -and -not $data.before.installed) {
    Remove-Item -Path $path -DeleteKey
    $state = Get-State
}
$state | ConvertTo-Json -Compress
