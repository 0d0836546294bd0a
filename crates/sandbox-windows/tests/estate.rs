//! The machines: what the set-up scripts of Hybridge read and change on them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hybridge_sandbox_windows::{Certificate, Ended, Estate, Key, Machine, run};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};

fn estate() -> Estate {
    Estate::new("2026-11-23T12:00:00Z".parse().unwrap())
}

fn der(name: &str) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Contoso");
    params.distinguished_name.push(DnType::CommonName, name);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_der(&der(name)).unwrap().with_key(1)
}

fn pfx(name: &str, password: &str) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.self_signed(&key).unwrap();
    let chain = p12_keystore::PrivateKeyChain::new(
        [1_u8].to_vec(),
        p12_keystore::PrivateKey::from_der(&key.serialize_der()).unwrap(),
        [p12_keystore::Certificate::from_der(certificate.der()).unwrap()],
    );
    let mut store = p12_keystore::KeyStore::new();
    store.add_entry("one", p12_keystore::KeyStoreEntry::PrivateKeyChain(chain));
    store.writer(password).write().unwrap()
}

fn ran(machine: &mut Machine, script: &str, input: &Value) -> Value {
    let ended = run(script, input, machine);
    assert_eq!((ended.exit, ended.stderr.as_str()), (0, ""), "{script}\n{}", ended.stdout);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

const PROBE: &str = r#"
$ErrorActionPreference = 'Stop'
$found = @(Get-ChildItem -Path Cert:\LocalMachine\My | ForEach-Object {
    $spec = 0
    if ($_.HasPrivateKey -and $null -ne $_.PrivateKey) {
        if ($_.PrivateKey.CspKeyContainerInfo.KeyNumber -eq 'Exchange') { $spec = 1 } else { $spec = 2 }
    }
    [pscustomobject]@{
        thumbprint = $_.Thumbprint
        subject    = $_.Subject
        notAfter   = $_.NotAfter.ToUniversalTime().ToString('o')
        keySpec    = $spec
    }
})
$twins = @($found | Group-Object subject | Where-Object { $_.Count -gt 1 } | ForEach-Object { $_.Name })
$services = @(Get-CimInstance Win32_Service -Filter "Name like 'MSCRMAsyncService%'" | ForEach-Object { @{ name = $_.Name; account = $_.StartName } })
@{ machine = $env:COMPUTERNAME; certificates = $found; twins = $twins; services = $services } | ConvertTo-Json -Depth 6 -Compress
"#;

#[test]
fn a_server_tells_its_certificates_twins_and_services() {
    let mut estate = estate();
    let server = estate.machine("crm01.contoso.com").unwrap();
    let (first, second) = (certificate("s2s"), certificate("s2s"));
    server.install("My", first.clone());
    server.install("My", second);
    server.install("My", Certificate::from_der(&der("cng")).unwrap().with_key(0));
    let told = ran(server, PROBE, &json!({}));
    assert_eq!(told["machine"], "CRM01");
    assert_eq!(told["certificates"][0]["thumbprint"], first.thumbprint.as_str());
    assert_eq!(told["certificates"][0]["subject"], "CN=s2s, O=Contoso");
    assert_eq!(told["certificates"][0]["keySpec"], 1);
    assert_eq!(told["certificates"][2]["keySpec"], 0);
    assert_eq!(told["twins"], json!(["CN=s2s, O=Contoso"]));
    assert_eq!(server.find_by_subject("CN=s2s, O=Contoso"), Err("Private key not found"));
    assert_eq!(told["services"].as_array().unwrap().len(), 2);
    assert_eq!(told["services"][1]["name"], "MSCRMAsyncService$maintenance");
}

const IMPORT: &str = r"
$ErrorActionPreference = 'Stop'
$in = [Console]::In.ReadToEnd() | ConvertFrom-Json
$password = New-Object System.Security.SecureString
$password = ConvertTo-SecureString -String $in.password -AsPlainText -Force
$flags = 'MachineKeySet,PersistKeySet'
$certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String($in.pfx), $password, $flags)
$store = New-Object System.Security.Cryptography.X509Certificates.X509Store('My', 'LocalMachine')
$store.Open('ReadWrite')
try { $store.Add($certificate) } finally { $store.Close() }
$item = Get-Item -Path ('Cert:\LocalMachine\My\' + $certificate.Thumbprint)
$file = Join-Path $env:ProgramData ('Microsoft\Crypto\RSA\MachineKeys\' + $item.PrivateKey.CspKeyContainerInfo.UniqueKeyContainerName)
foreach ($account in $in.accounts) {
    $acl = Get-Acl -Path $file
    $rule = New-Object System.Security.AccessControl.FileSystemAccessRule($account, 'Read', 'Allow')
    $acl.AddAccessRule($rule)
    Set-Acl -Path $file -AclObject $acl
}
Restart-Service -Name MSCRMAsyncService, 'MSCRMAsyncService$maintenance' -Force
@{ thumbprint = $item.Thumbprint; hasKey = $item.HasPrivateKey } | ConvertTo-Json -Compress
";

#[test]
fn a_pfx_is_imported_its_key_opened_to_accounts_and_services_restarted() {
    let mut estate = estate();
    let server = estate.machine("CRM02").unwrap();
    let before = server.now;
    let input = json!({
        "pfx": STANDARD.encode(pfx("hybridge-s2s", "s3cret")),
        "password": "s3cret",
        "accounts": [Estate::ASYNC_ACCOUNT, Estate::POOL_ACCOUNT],
    });
    let told = ran(server, IMPORT, &input);
    let thumbprint = told["thumbprint"].as_str().unwrap();
    assert_eq!(told["hasKey"], true);
    assert!(server.may_read_key(thumbprint, Estate::ASYNC_ACCOUNT));
    assert!(server.may_read_key(thumbprint, Estate::POOL_ACCOUNT));
    assert!(!server.may_read_key(thumbprint, r"CONTOSO\someone"));
    assert!(server.service("MSCRMAsyncService$maintenance").unwrap().started > before);

    let gone = run(
        "Remove-Item -Path ('Cert:\\LocalMachine\\My\\' + ([Console]::In.ReadToEnd() | ConvertFrom-Json)) -DeleteKey",
        &json!(thumbprint),
        server,
    );
    assert_eq!((gone.exit, gone.stderr.as_str()), (0, ""));
    assert!(server.certificates.is_empty() && server.keys.is_empty());
}

#[test]
fn certificates_move_to_a_store_of_their_own_and_out_into_files() {
    let mut estate = estate();
    let server = estate.machine("CRM01").unwrap();
    let (old, new) = (certificate("s2s"), pfx("s2s", "pw"));
    server.install("My", old.clone());
    server.files.insert(r"C:\stage\new.pfx".to_owned(), new);
    let told = ran(
        server,
        r"
        $ErrorActionPreference = 'Stop'
        $old = [Console]::In.ReadToEnd() | ConvertFrom-Json
        if (-not (Test-Path Cert:\LocalMachine\HybridgeArchive)) { New-Item -Path Cert:\LocalMachine\HybridgeArchive | Out-Null }
        Move-Item -Path Cert:\LocalMachine\My\$old -Destination Cert:\LocalMachine\HybridgeArchive
        $new = Import-PfxCertificate -FilePath C:\stage\new.pfx -CertStoreLocation Cert:\LocalMachine\My -Password (ConvertTo-SecureString 'pw' -AsPlainText -Force)
        Get-Item ('Cert:\LocalMachine\My\' + $new.Thumbprint) | Export-Certificate -FilePath C:\stage\new.cer -Type CERT | Out-Null
        $store = New-Object System.Security.Cryptography.X509Certificates.X509Store('My', 'LocalMachine')
        $store.Open('ReadOnly')
        $found = $store.Certificates.Find('FindBySubjectDistinguishedName', $new.Subject, $false)
        $store.Close()
        iisreset | Out-Null
        @{ count = $found.Count; archived = @(Get-ChildItem Cert:\LocalMachine\HybridgeArchive)[0].Thumbprint } | ConvertTo-Json -Compress
        ",
        &json!(old.thumbprint),
    );
    assert_eq!((told["count"].as_i64(), told["archived"].as_str()), (Some(1), Some(old.thumbprint.as_str())));
    let found = server.find_by_subject("CN=s2s").unwrap();
    assert_eq!(found.der, server.files[r"C:\stage\new.cer"]);
}

#[test]
fn faults_are_seen_by_scripts() {
    let input = json!({"pfx": STANDARD.encode(pfx("x", "right")), "password": "wrong", "accounts": []});
    let mut estate = estate();
    let server = estate.machine("CRM01").unwrap();
    let wrong = run(IMPORT, &input, server);
    assert!(wrong.exit == 1 && wrong.stderr.contains("network password is not correct"), "{wrong:?}");
    assert!(!wrong.stderr.contains("wrong\""), "no secret in an error");

    server.install("My", certificate("s2s"));
    server.faults.no_key_access = true;
    assert_eq!(ran(server, PROBE, &json!({}))["certificates"][0]["keySpec"], 0);
    server.faults.constrained_language = true;
    let bound =
        run("$ErrorActionPreference = 'Stop'; New-Object System.Security.SecureString", &json!(null), server);
    assert!(bound.exit == 1 && bound.stderr.contains("language mode"), "{bound:?}");
    server.faults.down = true;
    assert_eq!(run("1", &json!(null), server).exit, 1);

    let deployment = estate.machine("CRMDEP").unwrap();
    let script =
        "$ErrorActionPreference = 'Stop'; Add-PSSnapin Microsoft.Crm.PowerShell; @(Get-CrmServer).Count";
    deployment.faults.no_snapin = true;
    let missing = run(script, &json!(null), deployment);
    assert!(missing.stderr.contains("is not installed on this computer"), "{missing:?}");
    deployment.faults.no_snapin = false;
    deployment.faults.not_in_priv_user_group = true;
    let refused = run(script, &json!(null), deployment);
    assert!(refused.stderr.contains("allowImpersonationOfOrganizationSystemUser == false"), "{refused:?}");
    let unloaded =
        run("try { Get-CrmServer } catch { $_.Exception.GetType().Name }", &json!(null), deployment);
    assert_eq!(unloaded.stdout.trim(), "CommandNotFoundException", "{unloaded:?}");
}

#[test]
fn the_deployment_is_shared_by_the_servers() {
    let mut estate = estate();
    let deployment = estate.machine("CRMDEP").unwrap();
    let data = der("hybridge-s2s");
    let told = ran(
        deployment,
        r"
        $ErrorActionPreference = 'Stop'
        Add-PSSnapin Microsoft.Crm.PowerShell
        $in = [Console]::In.ReadToEnd() | ConvertFrom-Json
        $file = [IO.Path]::GetTempFileName()
        try {
            [IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($in.data))
            Set-CrmCertificate -CertificateType S2STokenIssuer -Name 'CN=hybridge-s2s, O=Contoso' -StoreName My -StoreLocation LocalMachine -StoreFindType FindBySubjectDistinguishedName -DataFile $file
        } finally { Remove-Item -Path $file -Force }
        $entity = New-Object Microsoft.Xrm.Sdk.Deployment.ConfigurationEntity
        $entity.LogicalName = 'ServerSettings'
        $entity.Attributes = New-Object Microsoft.Xrm.Sdk.Deployment.AttributeCollection
        $entity.Attributes.Add((New-Object 'System.Collections.Generic.KeyValuePair[String, Object]' ('S2SDefaultAuthorizationServerPrincipalId', $in.principal)))
        Set-CrmAdvancedSetting -Entity $entity
        $organization = Get-CrmOrganization -Name contoso
        Set-CrmAdvancedSetting -Id $organization.Id -ConfigurationEntityName Organization -Setting S2STenantId -Value $in.tenant
        $oauth = Get-CrmSetting -SettingType OAuthClaimsSettings
        $oauth.Enabled = $true
        Set-CrmSetting -Setting $oauth
        $record = Get-CrmCertificate | Where-Object { $_.CertificateType -eq 'S2STokenIssuer' }
        $bytes = [Convert]::FromBase64String($record.Data)
        @{
            thumbprint = (New-Object System.Security.Cryptography.X509Certificates.X509Certificate2(,$bytes)).Thumbprint
            principal = (Get-CrmAdvancedSetting -ConfigurationEntityName ServerSettings -Setting S2SDefaultAuthorizationServerPrincipalId).Attributes[0].Value
            servers = @(Get-CrmServer | Where-Object { $_.Roles -contains 'AsynchronousProcessingService' } | ForEach-Object { $_.Name })
            oauth = (Get-CrmSetting -SettingType OAuthClaimsSettings).Enabled
        } | ConvertTo-Json -Compress
        ",
        &json!({"data": STANDARD.encode(&data), "principal": "00000001-0000-0000-c000-000000000000", "tenant": "t"}),
    );
    assert_eq!(told["thumbprint"], Certificate::from_der(&data).unwrap().thumbprint);
    assert_eq!(told["principal"], "00000001-0000-0000-c000-000000000000");
    assert_eq!(told["servers"], json!(["CRM01", "CRM02"]));
    assert_eq!(told["oauth"], true);
    assert!(deployment.files.is_empty(), "the staging file is gone");
    let database = estate.machine("CRM01").unwrap().database();
    assert_eq!(database.setting("organization", Estate::ORGANIZATION, "s2stenantid"), Some("t"));
}

const CLIENT: &str = r"
$ErrorActionPreference = 'Stop'
$in = [Console]::In.ReadToEnd() | ConvertFrom-Json
if (-not (Get-AdfsClient -ClientId $in.id)) { Add-AdfsClient -ClientId $in.id -Name Hybridge -RedirectUri 'http://127.0.0.1/' }
Grant-AdfsApplicationPermission -ClientRoleIdentifier $in.id -ServerRoleIdentifier $in.server
$old = @((Get-AdfsGlobalAuthenticationPolicy).PrimaryIntranetAuthenticationProvider)
Set-AdfsGlobalAuthenticationPolicy -PrimaryIntranetAuthenticationProvider (@('FormsAuthentication') + $old)
Restart-Service adfssrv
@{ permissions = @(Get-AdfsApplicationPermission).Count } | ConvertTo-Json -Compress
";

#[test]
fn ad_fs_wants_the_slash_at_the_end_of_an_identifier() {
    let mut estate = estate();
    let adfs = estate.machine("ADFS01").unwrap();
    let bare = run(CLIENT, &json!({"id": "7d0a", "server": "https://auth.contoso.com"}), adfs);
    assert!(bare.exit == 1 && bare.stderr.contains("does not exist"), "{bare:?}");
    let told = ran(adfs, CLIENT, &json!({"id": "7d0a", "server": "https://auth.contoso.com/"}));
    assert_eq!(told["permissions"], 1);
    assert_eq!(adfs.farm().intranet, ["FormsAuthentication", "WindowsAuthentication"]);
}

#[test]
fn the_pool_the_registry_and_certutil_tell_what_windows_tells() {
    let mut estate = estate();
    let server = estate.machine("CRM01").unwrap();
    let one = certificate("s2s");
    server.install("My", one.clone());
    let told = ran(
        server,
        r"
        Import-Module WebAdministration
        $pool = Get-Item IIS:\AppPools\CRMAppPool
        $text = certutil -store My ([Console]::In.ReadToEnd() | ConvertFrom-Json)
        $spec = -1
        foreach ($line in $text) { if ($line -match 'KeySpec = (\d)') { $spec = [int]$Matches[1] } }
        @{ user = $pool.processModel.userName; tools = (Get-ItemProperty HKLM:\SOFTWARE\Microsoft\MSCRM).CRM_Server_InstallDir; spec = $spec; code = $LASTEXITCODE } | ConvertTo-Json -Compress
        ",
        &json!(one.thumbprint),
    );
    assert_eq!(told["user"], Estate::POOL_ACCOUNT);
    assert_eq!(told["tools"], r"C:\Program Files\Dynamics 365");
    assert_eq!((told["spec"].as_i64(), told["code"].as_i64()), (Some(1), Some(0)));
    assert_eq!(one.key.as_ref().map(|key| key.provider.as_str()), Some(Key::LEGACY));
    let unknown: Ended = run("Get-Item Cert:\\CurrentUser\\My", &json!(null), server);
    assert_eq!(unknown.exit, hybridge_sandbox_windows::EMULATOR);
}
