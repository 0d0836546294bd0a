# Whether this server reaches the services that Dynamics calls, with the TLS that it uses by itself (setup.md P4).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json
$told = @{}
foreach ($address in $data.addresses) {
    try {
        $null = Invoke-WebRequest -Uri $address -Method Head -UseBasicParsing -TimeoutSec 20
        $told[$address] = 'reached'
    } catch {
        # An answer that refuses is an answer all the same: the way is open.
        if ($null -ne $_.Exception.Response) { $told[$address] = 'reached' } else { $told[$address] = $_.Exception.Message }
    }
}
$told | ConvertTo-Json -Compress
