# The certificates that this server uses, by what they are used for (setup.md 5.1). Changes nothing.
# Data: signing (base64, public: the certificate that Dynamics is to sign with), or nothing.
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json

function Get-Told($use, $certificate) {
    # A colon in a form is the separator of the server's language otherwise.
    $invariant = [Globalization.CultureInfo]::InvariantCulture
    $form = 'yyyy-MM-ddTHH:mm:ssZ'
    @{
        use        = $use
        subject    = $certificate.Subject
        thumbprint = $certificate.Thumbprint
        from       = $certificate.NotBefore.ToUniversalTime().ToString($form, $invariant)
        until      = $certificate.NotAfter.ToUniversalTime().ToString($form, $invariant)
    }
}

# What listeners show: TLS of IIS, WinRM. The labels are in the language of the server; the values and their order are not.
function Get-Shown {
    $listener = $null
    $thumbprint = $null
    $namesStore = $false
    foreach ($line in @(netsh http show sslcert)) {
        $value = @($line -split '\s:\s')[-1].Trim()
        if ($value -match '^\S+:\d+$') { $listener = $value; $thumbprint = $null }
        elseif ($value -match '^[0-9a-fA-F]{40}$') { $thumbprint = $value }
        elseif ($value -match '^\{') { $namesStore = $true }
        elseif ($namesStore) {
            $namesStore = $false
            if ($value -eq '(null)') { $value = 'My' }
            $path = "Cert:\LocalMachine\$value\$thumbprint"
            if ($thumbprint -and (Test-Path -Path $path)) { Get-Told "listener $listener" (Get-Item -Path $path) }
        }
    }
}

$found = @(Get-Shown)
if ($data.signing) {
    # By the name as Windows writes it, which is how Dynamics looks.
    $subject = (New-Object Security.Cryptography.X509Certificates.X509Certificate2(,[Convert]::FromBase64String($data.signing))).Subject
    $found += @(Get-ChildItem -Path Cert:\LocalMachine\My | Where-Object { $_.Subject -eq $subject } | ForEach-Object { Get-Told 'store My' $_ })
}
if (@(Get-PSSnapin -Registered | Where-Object { $_.Name -eq 'Microsoft.Crm.PowerShell' }).Count -gt 0) {
    if (-not (Get-PSSnapin -Name Microsoft.Crm.PowerShell -ErrorAction SilentlyContinue)) { Add-PSSnapin Microsoft.Crm.PowerShell }
    foreach ($record in @(Get-CrmCertificate | Where-Object { $_.Data })) {
        $certificate = New-Object Security.Cryptography.X509Certificates.X509Certificate2(,[Convert]::FromBase64String($record.Data))
        $found += , (Get-Told "configuration database $($record.CertificateType)" $certificate)
    }
}
if (@(Get-CimInstance -ClassName Win32_Service -Filter "Name = 'adfssrv'").Count -gt 0) {
    foreach ($own in @(Get-AdfsCertificate | Where-Object { $null -ne $_.Certificate })) {
        $use = "AD FS $($own.CertificateType)"
        if (-not $own.IsPrimary) { $use = "$use (secondary)" }
        $found += , (Get-Told $use $own.Certificate)
    }
}
@{ certificates = @($found) } | ConvertTo-Json -Compress -Depth 4
