# When AD FS on this server was started; starts it anew (setup.md F6).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
if ($Mode -ne 'Probe') { Restart-Service -Name adfssrv -Force }
$now = Get-Date
$told = @{}
foreach ($service in @(Get-CimInstance -ClassName Win32_Service -Filter "Name = 'adfssrv'")) {
    $age = $null
    if ($service.State -eq 'Running') {
        $process = Get-Process -Id $service.ProcessId
        $age = [int] ($now - $process.StartTime).TotalSeconds
    }
    $told[$service.Name] = @{ state = $service.State; age = $age }
}
@{ services = $told } | ConvertTo-Json -Compress -Depth 6
