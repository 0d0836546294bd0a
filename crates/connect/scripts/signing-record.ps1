# The certificate record of the deployment that server-to-server tokens are signed by (setup.md C5).
# Data: certificate (base64, public); to undo also before (subject and certificate, or nothing).
# Undo takes of what was found: record
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json
if (-not (Get-PSSnapin -Name Microsoft.Crm.PowerShell -ErrorAction SilentlyContinue)) { Add-PSSnapin Microsoft.Crm.PowerShell }

function Get-Record { @(Get-CrmCertificate | Where-Object { "$($_.CertificateType)" -eq 'S2STokenIssuer' })[0] }

function Set-Record($certificate) {
    # By the name as Windows writes it, which is how Dynamics looks.
    $subject = (New-Object Security.Cryptography.X509Certificates.X509Certificate2(,[Convert]::FromBase64String($certificate))).Subject
    $file = [IO.Path]::GetTempFileName()
    try {
        [IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($certificate))
        Set-CrmCertificate -CertificateType S2STokenIssuer -Name $subject -StoreName My -StoreLocation LocalMachine -StoreFindType FindBySubjectDistinguishedName -DataFile $file
    } finally {
        Remove-Item -Path $file -Force
    }
}

if ($Mode -eq 'Apply') { Set-Record $data.certificate }
if ($Mode -eq 'Undo') {
    if ($data.before) { Set-Record $data.before.certificate }
    else {
        $record = Get-Record
        if ($null -ne $record) { Remove-CrmCertificate -Id $record.Id }
    }
}
$record = Get-Record
if ($null -eq $record) { @{ record = $null } | ConvertTo-Json -Compress }
else { @{ record = @{ subject = $record.Name; certificate = $record.Data } } | ConvertTo-Json -Compress }
