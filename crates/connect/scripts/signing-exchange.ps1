# Puts the signing certificate in the place of another one of the same subject in the store of this server (setup.md 5.4). Dynamics looks
# for it by its subject, so only one of them may lie there: the other one waits in a store of its own, with its key.
# Data: in and out (thumbprints), store (where the one that comes in lies, and the other one goes).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json

function Test-In($store, $thumbprint) { Test-Path -Path "Cert:\LocalMachine\$store\$thumbprint" }

# Listeners (TLS of IIS, WinRM) name a certificate by its thumbprint and look for it in a store. The labels are in the language of the
# server; the values and their order are not.
function Get-Listeners {
    $listener = $null
    $shows = $false
    $namesStore = $false
    foreach ($line in @(netsh http show sslcert)) {
        $value = @($line -split '\s:\s')[-1].Trim()
        if ($value -match '^\S+:\d+$') { $listener = $value; $shows = $false }
        elseif ($value -match '^[0-9a-fA-F]{40}$') { $shows = $value -eq $data.out }
        elseif ($value -match '^\{') { $namesStore = $true }
        elseif ($namesStore) {
            $namesStore = $false
            if ($shows -and @('My', '(null)') -contains $value) { $listener }
        }
    }
}

function Get-State {
    @{
        in = Test-In 'My' $data.in
        out = Test-In 'My' $data.out
        waitsIn = Test-In $data.store $data.in
        waitsOut = Test-In $data.store $data.out
        listeners = @(Get-Listeners)
    }
}

function Open-Store($name) {
    $store = New-Object Security.Cryptography.X509Certificates.X509Store($name, 'LocalMachine')
    $store.Open('ReadWrite')
    $store
}

# Every certificate is somewhere with its key at every moment.
function Switch-Certificates($state) {
    $my = Open-Store 'My'
    $aside = Open-Store $data.store
    try {
        if ($state.out) { $aside.Add((Get-Item -Path "Cert:\LocalMachine\My\$($data.out)")) }
        if (-not $state.in) { $my.Add((Get-Item -Path "Cert:\LocalMachine\$($data.store)\$($data.in)")) }
        if ($state.out) { $my.Remove((Get-Item -Path "Cert:\LocalMachine\My\$($data.out)")) }
        if ($state.waitsIn) { $aside.Remove((Get-Item -Path "Cert:\LocalMachine\$($data.store)\$($data.in)")) }
    } finally {
        $my.Close()
        $aside.Close()
    }
}

$state = Get-State
if ($Mode -ne 'Probe' -and ($state.out -or -not $state.in)) {
    if (-not $state.in -and -not $state.waitsIn) { throw "The certificate $($data.in) is neither in the store My nor in $($data.store)." }
    if ($state.listeners.Count -gt 0) { throw "The listener $($state.listeners -join ', ') still shows the certificate $($data.out)." }
    $services = @(Get-CimInstance -ClassName Win32_Service | Where-Object { ($_.Name -like 'MSCRMAsyncService*' -or $_.Name -eq 'W3SVC') -and $_.StartMode -ne 'Disabled' } | ForEach-Object { $_.Name })
    try {
        foreach ($service in $services) { Stop-Service -Name $service -Force }
        Switch-Certificates $state
    } finally {
        foreach ($service in $services) { Start-Service -Name $service }
    }
    $state = Get-State
    $state.changed = $true
}
$state | ConvertTo-Json -Compress
