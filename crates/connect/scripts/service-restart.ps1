# When the asynchronous services and the web server here were started; starts them anew (setup.md C6).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
function Get-Services { @(Get-CimInstance -ClassName Win32_Service | Where-Object { $_.Name -like 'MSCRMAsyncService*' -or $_.Name -eq 'W3SVC' }) }
if ($Mode -ne 'Probe') {
    foreach ($service in @(Get-Services)) { Restart-Service -Name $service.Name -Force }
}
$now = Get-Date
$told = @{}
foreach ($service in @(Get-Services)) {
    $age = $null
    if ($service.State -eq 'Running') {
        $process = Get-Process -Id $service.ProcessId
        $age = [int] ($now - $process.StartTime).TotalSeconds
    }
    $told[$service.Name] = @{ state = $service.State; age = $age }
}
@{ services = $told } | ConvertTo-Json -Compress -Depth 4
