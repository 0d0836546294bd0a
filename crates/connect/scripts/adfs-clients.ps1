# The clients that AD FS knows, with the addresses that their sign-in may go back to (setup.md F4). Addresses that are
# there already stay.
# Data: clients (id, name, redirects); to undo also before (clients: what each was, or nothing).
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidateSet('Probe', 'Apply', 'Undo')] [string] $Mode,
    [Parameter(Mandatory = $true)] [string] $Json,
    [System.Security.SecureString] $Secret
)

$ErrorActionPreference = 'Stop'
$data = $Json | ConvertFrom-Json

function Get-Client($id) {
    $found = @(Get-AdfsClient | Where-Object { "$($_.ClientId)" -eq $id })
    if ($found.Count -eq 0) { return $null }
    $redirects = @($found[0].RedirectUri | ForEach-Object { if ($_ -is [Uri]) { $_.OriginalString } else { "$_" } })
    @{ name = $found[0].Name; redirects = $redirects }
}

foreach ($client in @($data.clients)) {
    if ($Mode -eq 'Probe') { break }
    $now = Get-Client $client.id
    $name = $client.name
    $list = @()
    if ($Mode -eq 'Apply') {
        if ($null -ne $now) { $list = @($now.redirects) }
        foreach ($redirect in @($client.redirects)) { if (-not ($list -ccontains $redirect)) { $list += $redirect } }
    } else {
        $before = $data.before.clients.($client.id)
        if ($null -eq $before) {
            if ($null -ne $now) { Remove-AdfsClient -TargetClientId $client.id }
            continue
        }
        $name = $before.name
        $list = @($before.redirects)
    }
    if ($null -eq $now) { Add-AdfsClient -ClientId $client.id -Name $name -RedirectUri $list }
    elseif (($list -join ' ') -cne (@($now.redirects) -join ' ')) { Set-AdfsClient -TargetClientId $client.id -RedirectUri $list }
}
$told = @{}
foreach ($client in @($data.clients)) { $told[$client.id] = Get-Client $client.id }
@{ clients = $told } | ConvertTo-Json -Compress -Depth 6
