$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
try {
    [Console]::OutputEncoding = [Text.Encoding]::UTF8
    $lines = [Console]::In.ReadToEnd().Split([char]10)
    $texts = @(foreach ($line in $lines) { [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String($line.Trim())) })
    $call = @{ Mode = $texts[0]; Json = $texts[2] }
    if ($texts[3]) {
        $call.Secret = New-Object System.Security.SecureString
        foreach ($character in $texts[3].ToCharArray()) { $call.Secret.AppendChar($character) }
    }
    & ([ScriptBlock]::Create($texts[1])) @call
    exit 0
} catch {
    $where = $_.InvocationInfo.ScriptLineNumber
    @{ error = $_.Exception.Message; line = $where } | ConvertTo-Json -Compress
    exit 1
}
