# When the services of Dynamics on this server were started; starts them anew (setup.md C6).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$names = @(Get-CimInstance -ClassName Win32_Service -Filter "Name like 'MSCRMAsyncService%'" | ForEach-Object { $_.Name })
if ($Mode -ne 'Probe') {
    foreach ($name in $names) { Restart-Service -Name $name -Force }
}
$now = Get-Date
$told = @{}
foreach ($service in @(Get-CimInstance -ClassName Win32_Service -Filter "Name like 'MSCRMAsyncService%'")) {
    $age = $null
    if ($service.State -eq 'Running') {
        $process = Get-Process -Id $service.ProcessId
        $age = [int] ($now - $process.StartTime).TotalSeconds
    }
    $told[$service.Name] = @{ state = $service.State; age = $age }
}
@{ services = $told } | ConvertTo-Json -Compress -Depth 4
