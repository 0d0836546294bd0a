# Who may read the signing certificate's private key on this server (setup.md C4).
# The accounts are those of the asynchronous services and of the application pool of Dynamics.
# Data: thumbprint; store, where it is not My; to undo also before (who could read it).
# Undo takes of what was found: readers
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

function Get-Accounts {
    $found = @(Get-CimInstance -ClassName Win32_Service -Filter "Name like 'MSCRMAsyncService%'" | ForEach-Object { $_.StartName })
    $site = @(Get-CimInstance -ClassName Win32_Service -Filter "Name = 'W3SVC'")
    if ($site.Count -gt 0) {
        Import-Module WebAdministration
        if (Test-Path IIS:\AppPools\CRMAppPool) {
            $model = (Get-Item IIS:\AppPools\CRMAppPool).processModel
            switch ("$($model.identityType)") {
                'SpecificUser'            { $found += $model.userName }
                'NetworkService'          { $found += 'NT AUTHORITY\NETWORK SERVICE' }
                'ApplicationPoolIdentity' { $found += 'IIS AppPool\CRMAppPool' }
            }
        }
    }
    foreach ($name in ($found | Sort-Object -Unique)) {
        if ($name -eq 'LocalSystem') { continue }
        if ($name -like '.\*') { $name = $env:COMPUTERNAME + $name.Substring(1) }
        # As access rules name it: services say NetworkService or user@domain for the same account.
        $account = New-Object Security.Principal.NTAccount($name)
        "$($account.Translate([Security.Principal.SecurityIdentifier]).Translate([Security.Principal.NTAccount]))"
    }
}

function Get-KeyFile {
    $item = Get-Item -Path $path
    $key = $null
    try { $key = $item.PrivateKey } catch { $key = $null }
    if ($null -eq $key -or $null -eq $key.CspKeyContainerInfo) {
        throw "The private key of $($data.thumbprint) cannot be opened by this account."
    }
    Join-Path $env:ProgramData ('Microsoft\Crypto\RSA\MachineKeys\' + $key.CspKeyContainerInfo.UniqueKeyContainerName)
}

function Get-Readers($file, $accounts) {
    $rules = @((Get-Acl -Path $file).Access | Where-Object { "$($_.AccessControlType)" -eq 'Allow' } | ForEach-Object { "$($_.IdentityReference)" })
    @($accounts | Where-Object { $rules -contains $_ })
}

if (-not (Test-Path -Path $path)) {
    @{ installed = $false; accounts = @(Get-Accounts); readers = @() } | ConvertTo-Json -Compress
    return
}
$file = Get-KeyFile
$accounts = @(Get-Accounts)
$readers = @(Get-Readers $file $accounts)
if ($Mode -ne 'Probe') {
    $acl = Get-Acl -Path $file
    foreach ($account in $accounts) {
        $rule = New-Object Security.AccessControl.FileSystemAccessRule($account, 'Read', 'Allow')
        $reads = $readers -contains $account
        if ($Mode -eq 'Apply' -and -not $reads) { $acl.AddAccessRule($rule) }
        if ($Mode -eq 'Undo' -and $reads -and -not (@($data.before) -contains $account)) { $null = $acl.RemoveAccessRule($rule) }
    }
    Set-Acl -Path $file -AclObject $acl
    $readers = @(Get-Readers $file $accounts)
}
@{ installed = $true; accounts = $accounts; readers = $readers } | ConvertTo-Json -Compress
