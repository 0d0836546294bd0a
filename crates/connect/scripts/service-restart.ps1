# When the asynchronous services and the web server here were started; starts them anew (setup.md C6).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
function Get-Services { @(Get-CimInstance -ClassName Win32_Service | Where-Object { ($_.Name -like 'MSCRMAsyncService*' -or $_.Name -eq 'W3SVC') -and $_.StartMode -ne 'Disabled' }) }

# The process that hosts the web server outlives its restart; the workers of Dynamics do not. Without a worker the next one is new.
function Get-Age($service) {
    $filter = "ProcessId = $($service.ProcessId)"
    if ($service.Name -eq 'W3SVC') { $filter = "Name = 'w3wp.exe'" }
    $age = 0
    foreach ($process in @(Get-CimInstance -ClassName Win32_Process -Filter $filter)) {
        if ($service.Name -eq 'W3SVC' -and $process.CommandLine -notlike '*"CRMAppPool"*') { continue }
        $seconds = [int] ($now - $process.CreationDate).TotalSeconds
        if ($seconds -gt $age) { $age = $seconds }
    }
    $age
}

if ($Mode -ne 'Probe') {
    foreach ($service in @(Get-Services)) { Restart-Service -Name $service.Name -Force }
}
$now = Get-Date
$told = @{}
foreach ($service in @(Get-Services)) {
    $age = $null
    if ($service.State -eq 'Running') { $age = Get-Age $service }
    $told[$service.Name] = @{ state = $service.State; age = $age }
}
@{ services = $told } | ConvertTo-Json -Compress -Depth 4
