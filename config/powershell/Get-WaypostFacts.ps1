#requires -Version 3.0
<#
.SYNOPSIS
Writes what Lync Server or Skype for Business Server knows about a legacy Group Chat
address into one JSON file, for "waypost facts check".

.DESCRIPTION
Reads only: Get- cmdlets, and one file is written. Run it in the Lync Server or Skype
for Business Server Management Shell (64 bit) on a front end, as a member of
RTCUniversalServerAdmins. Users leave as counts only, but for an account that has one
of the addresses named. What cannot be read is noted in the file with the reason.
The exit code is 1 when something could not be read; the file is written all the same.

.EXAMPLE
.\Get-WaypostFacts.ps1 -Alias sip:ocschat@contoso.com -WaypostFqdn proxy.contoso.com -Pool pcpool.contoso.com -OldServer gc1.contoso.com,gc2.contoso.com
#>
param(
    [Parameter(Mandatory = $true)]
    [string[]] $Alias,
    [Parameter(Mandatory = $true)]
    [string] $WaypostFqdn,
    [string[]] $Pool = @(),
    [string[]] $OldServer = @(),
    [string] $Path = 'waypost-facts.json'
)

$ErrorActionPreference = 'Stop'
$version = '1.0'
$script:absent = @{}
$script:failed = 0

if (-not [Environment]::Is64BitProcess) {
    throw 'Start the 64-bit PowerShell: the cmdlets are not supported in a 32-bit one.'
}
if ($null -ne $PSSenderInfo) {
    throw 'Run this in a local Management Shell: a remote session loses properties.'
}
$known = Get-Command -Name 'Get-CsUser' -ErrorAction SilentlyContinue
if ($null -eq $known) {
    throw 'Get-CsUser is unknown: run this in the Lync Server Management Shell.'
}
if ([string]$known.CommandType -ne 'Cmdlet') {
    throw 'Get-CsUser comes from a remote session: run this on a Lync server.'
}

# -- one value of an object, as plain text, flag, number or list --------------------

function Get-Value($Object, [string] $Name) {
    if ($null -eq $Object) { return $null }
    $property = $Object.PSObject.Properties[$Name]
    if ($null -eq $property) {
        $script:absent[$Object.GetType().Name + '.' + $Name] = $true
        return $null
    }
    return $property.Value
}

function Get-PlainText($Value) {
    if ($null -eq $Value) { return $null }
    $friendly = $Value.PSObject.Properties['FriendlyName']
    if ($null -ne $friendly -and $null -ne $friendly.Value) {
        return [string]$friendly.Value
    }
    return [string]$Value
}

function Get-Text($Object, [string] $Name) {
    return Get-PlainText (Get-Value $Object $Name)
}

function Get-Flag($Object, [string] $Name) {
    $value = Get-Value $Object $Name
    if ($null -eq $value) { return $null }
    return [bool]$value
}

function Get-Number($Object, [string] $Name) {
    $value = Get-Value $Object $Name
    if ($null -eq $value) { return $null }
    return [int]$value
}

function Get-Instant($Value) {
    if ($null -eq $Value) { return $null }
    $utc = ([DateTime]$Value).ToUniversalTime()
    $culture = [System.Globalization.CultureInfo]::InvariantCulture
    return $utc.ToString('yyyy-MM-ddTHH:mm:ssZ', $culture)
}

function Get-List($Object, [string] $Name) {
    $texts = @()
    foreach ($each in @(Get-Value $Object $Name)) {
        if ($null -ne $each) { $texts += Get-PlainText $each }
    }
    $sorted = [string[]]$texts
    [Array]::Sort($sorted)
    return $sorted
}

# -- a section: what one cmdlet says, or why it says nothing ------------------------

function Get-Section([string] $Cmdlet, [scriptblock] $Ask) {
    $section = [ordered]@{ cmdlet = $Cmdlet; ok = $false; error = ''; rows = @() }
    $there = Get-Command -Name $Cmdlet -ErrorAction SilentlyContinue
    if ($null -eq $there) {
        $section.error = $Cmdlet + ' is not there'
        $script:failed += 1
        return $section
    }
    try {
        $section.rows = [object[]]@(& $Ask)
        $section.ok = $true
    }
    catch {
        $section.error = [string]$_.Exception.Message
        $script:failed += 1
    }
    return $section
}

$addresses = @()
foreach ($each in $Alias) {
    $address = $each.Trim().ToLowerInvariant()
    if (-not $address.StartsWith('sip:')) { $address = 'sip:' + $address }
    # Nothing that means something in a filter.
    if ($address -notmatch '^sip:[a-z0-9._+-]+@[a-z0-9.-]+$') {
        throw ('This is not an address: ' + $each)
    }
    $addresses += $address
}

$sections = [ordered]@{}

$sections.users = Get-Section 'Get-CsUser' {
    foreach ($address in $addresses) {
        foreach ($user in @(Get-CsUser -Filter "SipAddress -eq '$address'")) {
            [ordered]@{
                alias          = $address
                sip_address    = Get-Text $user 'SipAddress'
                identity       = Get-Text $user 'DistinguishedName'
                enabled        = Get-Flag $user 'Enabled'
                registrar_pool = Get-Text $user 'RegistrarPool'
            }
        }
    }
}

$sections.ad_users = Get-Section 'Get-CsAdUser' {
    foreach ($address in $addresses) {
        $filter = "(|(msRTCSIP-PrimaryUserAddress=$address)(proxyAddresses=$address))"
        foreach ($user in @(Get-CsAdUser -LdapFilter $filter)) {
            [ordered]@{
                alias           = $address
                sip_address     = Get-Text $user 'SipAddress'
                identity        = Get-Text $user 'DistinguishedName'
                enabled         = Get-Flag $user 'Enabled'
                proxy_addresses = [object[]]@(Get-List $user 'ProxyAddresses')
            }
        }
    }
}

$sections.principals = Get-Section 'Get-CsAdPrincipal' {
    foreach ($address in $addresses) {
        foreach ($one in @(Get-CsAdPrincipal -Filter "SipAddress -eq '$address'")) {
            [ordered]@{
                alias        = $address
                sip_address  = $address
                identity     = Get-Text $one 'DistinguishedName'
                object_class = [object[]]@(Get-List $one 'ObjectClass')
            }
        }
    }
}

$sections.user_counts = Get-Section 'Get-CsUser' {
    $counts = @{}
    foreach ($user in @(Get-CsUser -Filter 'Enabled -eq $true')) {
        $address = Get-Text $user 'SipAddress'
        if ($null -eq $address) { continue }
        $domain = $address.Substring($address.IndexOf('@') + 1).ToLowerInvariant()
        $policy = Get-Text $user 'PersistentChatPolicy'
        $registrar = Get-Text $user 'RegistrarPool'
        $key = "$domain|$policy|$registrar"
        $counts[$key] = 1 + [int]$counts[$key]
    }
    $keys = [string[]]@($counts.Keys)
    [Array]::Sort($keys)
    foreach ($key in $keys) {
        $parts = $key.Split('|')
        [ordered]@{
            sip_domain     = $parts[0]
            policy         = $parts[1]
            registrar_pool = $parts[2]
            users          = [int]$counts[$key]
        }
    }
}

$sections.ocs_users = Get-Section 'Get-CsUser' {
    $users = @(Get-CsUser -OnOfficeCommunicationServer)
    [ordered]@{ users = [int]$users.Count }
}

$sections.chat_policies = Get-Section 'Get-CsPersistentChatPolicy' {
    foreach ($policy in @(Get-CsPersistentChatPolicy)) {
        [ordered]@{
            identity = Get-Text $policy 'Identity'
            enabled  = Get-Flag $policy 'EnablePersistentChat'
        }
    }
}

$sections.trusted_pools = Get-Section 'Get-CsTrustedApplicationPool' {
    foreach ($each in @(Get-CsTrustedApplicationPool)) {
        [ordered]@{
            pool_fqdn              = Get-Text $each 'PoolFqdn'
            registrar              = Get-Text $each 'Registrar'
            treat_as_authenticated = Get-Flag $each 'TreatAsAuthenticated'
            throttle_as_server     = Get-Flag $each 'ThrottleAsServer'
            outbound_only          = Get-Flag $each 'OutboundOnly'
            requires_replication   = Get-Flag $each 'RequiresReplication'
        }
    }
}

$sections.trusted_computers = Get-Section 'Get-CsTrustedApplicationComputer' {
    foreach ($each in @(Get-CsTrustedApplicationComputer)) {
        [ordered]@{
            computer  = Get-Text $each 'Identity'
            pool_fqdn = Get-Text $each 'Pool'
        }
    }
}

$sections.trusted_applications = Get-Section 'Get-CsTrustedApplication' {
    foreach ($each in @(Get-CsTrustedApplication)) {
        [ordered]@{
            application_id = Get-Text $each 'ApplicationId'
            pool_fqdn      = Get-Text $each 'TrustedApplicationPoolFqdn'
            port           = Get-Number $each 'Port'
        }
    }
}

$sections.trusted_endpoints = Get-Section 'Get-CsTrustedApplicationEndpoint' {
    foreach ($each in @(Get-CsTrustedApplicationEndpoint)) {
        [ordered]@{
            sip_address    = Get-Text $each 'SipAddress'
            identity       = Get-Text $each 'Identity'
            owner_urn      = Get-Text $each 'OwnerUrn'
            enabled        = Get-Flag $each 'Enabled'
            registrar_pool = Get-Text $each 'RegistrarPool'
        }
    }
}

# OwnerUrn alone proves nothing: one application name may stand on several pools.
$sections.own_endpoints = Get-Section 'Get-CsTrustedApplicationEndpoint' {
    $found = @(Get-CsTrustedApplicationEndpoint -TrustedApplicationPoolFqdn $WaypostFqdn)
    foreach ($each in $found) {
        [ordered]@{ sip_address = Get-Text $each 'SipAddress' }
    }
}

$sections.static_routes = Get-Section 'Get-CsStaticRoutingConfiguration' {
    foreach ($collection in @(Get-CsStaticRoutingConfiguration)) {
        $name = Get-Text $collection 'Identity'
        # A collection without a route counts as well: it hides the global one.
        [ordered]@{ collection = $name; match_uri = '' }
        foreach ($route in @(Get-Value $collection 'Route')) {
            if ($null -eq $route) { continue }
            $transport = Get-Value $route 'Transport'
            $choice = Get-Value $transport 'TransportChoice'
            $kind = 'TLS'
            $hop = $null
            if ($null -ne $choice -and $null -ne $choice.PSObject.Properties['Fqdn']) {
                $hop = Get-Text $choice 'Fqdn'
            }
            else {
                $kind = 'TCP'
                $hop = Get-Text $choice 'IPAddress'
            }
            [ordered]@{
                collection   = $name
                match_uri    = Get-Text $route 'MatchUri'
                enabled      = Get-Flag $route 'Enabled'
                phone_only   = Get-Flag $route 'MatchOnlyPhoneUri'
                replace_host = Get-Flag $route 'ReplaceHostInRequestUri'
                transport    = $kind
                next_hop     = $hop
                port         = Get-Number $transport 'Port'
            }
        }
    }
}

$sections.sip_domains = Get-Section 'Get-CsSipDomain' {
    foreach ($each in @(Get-CsSipDomain)) {
        [ordered]@{
            name       = Get-Text $each 'Name'
            is_default = Get-Flag $each 'IsDefault'
        }
    }
}

$sections.chat_pools = Get-Section 'Get-CsService' {
    foreach ($each in @(Get-CsService -PersistentChatServer)) {
        [ordered]@{
            pool_fqdn        = Get-Text $each 'PoolFqdn'
            mtls_port        = Get-Number $each 'MtlsPort'
            active_servers   = [object[]]@(Get-List $each 'ActiveServers')
            inactive_servers = [object[]]@(Get-List $each 'InactiveServers')
            service_id       = Get-Text $each 'ServiceId'
        }
    }
}

# By pool: what an endpoint's own properties are called is not documented.
$sections.chat_endpoints = Get-Section 'Get-CsPersistentChatEndpoint' {
    foreach ($row in @(Get-CsService -PersistentChatServer)) {
        $fqdn = Get-Text $row 'PoolFqdn'
        $found = @(Get-CsPersistentChatEndpoint -PersistentChatPoolFqdn $fqdn)
        foreach ($each in $found) {
            [ordered]@{
                pool_fqdn   = $fqdn
                sip_address = Get-Text $each 'SipAddress'
                identity    = Get-Text $each 'Identity'
            }
        }
    }
}

$sections.chat_states = Get-Section 'Get-CsPersistentChatState' {
    foreach ($row in @(Get-CsService -PersistentChatServer)) {
        $fqdn = Get-Text $row 'PoolFqdn'
        $state = Get-CsPersistentChatState -Identity "PersistentChatServer:$fqdn"
        [ordered]@{ pool_fqdn = $fqdn; state = Get-Text $state 'PoolState' }
    }
}

$sections.chat_services = Get-Section 'Get-CsWindowsService' {
    foreach ($row in @(Get-CsService -PersistentChatServer)) {
        $fqdn = Get-Text $row 'PoolFqdn'
        if ($Pool.Count -gt 0 -and $Pool -notcontains $fqdn) { continue }
        foreach ($computer in @(Get-List $row 'ActiveServers')) {
            if ($null -eq $computer) { continue }
            foreach ($each in @(Get-CsWindowsService -ComputerName $computer)) {
                [ordered]@{
                    computer     = $computer
                    name         = Get-Text $each 'Name'
                    display_name = Get-Text $each 'DisplayName'
                    status       = Get-Text $each 'Status'
                    roles        = [object[]]@(Get-List $each 'RoleName')
                }
            }
        }
    }
}

$sections.replicas = Get-Section 'Get-CsManagementStoreReplicationStatus' {
    foreach ($each in @(Get-CsManagementStoreReplicationStatus)) {
        [ordered]@{
            computer             = Get-Text $each 'ReplicaFqdn'
            up_to_date           = Get-Flag $each 'UpToDate'
            last_status_report   = Get-Instant (Get-Value $each 'LastStatusReport')
            last_update_creation = Get-Instant (Get-Value $each 'LastUpdateCreation')
        }
    }
}

# The copy that this computer works by, not the one in the central store.
$sections.local_topology = Get-Section 'Get-CsTopology' {
    $xml = [string](Get-CsTopology -AsXml -LocalStore)
    $named = $xml.IndexOf('"' + $WaypostFqdn + '"', [StringComparison]::OrdinalIgnoreCase)
    [ordered]@{ length = [int]$xml.Length; names_waypost = [bool]($named -ge 0) }
}

# Group Chat is no service of Lync's own: Get-CsWindowsService does not list it. Its
# Windows names are not documented, so it is found by the name that people see.
$sections.old_services = Get-Section 'Get-WmiObject' {
    foreach ($computer in $OldServer) {
        $row = [ordered]@{ computer = $computer; reached = $true; error = ''; name = '' }
        try {
            $filter = "DisplayName LIKE '%Group Chat%'"
            $found = @(Get-WmiObject -Class Win32_Service -ComputerName $computer -Filter $filter)
            $row
            foreach ($each in $found) {
                [ordered]@{
                    computer     = $computer
                    reached      = $true
                    name         = [string]$each.Name
                    display_name = [string]$each.DisplayName
                    state        = [string]$each.State
                    start_mode   = [string]$each.StartMode
                }
            }
        }
        catch {
            $row.reached = $false
            $row.error = [string]$_.Exception.Message
            $script:failed += 1
            $row
        }
    }
}

$forest = ''
try {
    $forest = [System.DirectoryServices.ActiveDirectory.Forest]::GetCurrentForest().Name
}
catch {
    $script:failed += 1
}

$absent = [string[]]@($script:absent.Keys)
[Array]::Sort($absent)
$document = [ordered]@{
    format       = 1
    script       = $version
    time         = Get-Instant ([DateTime]::UtcNow)
    forest       = $forest
    computer     = [Environment]::MachineName
    powershell   = [string]$PSVersionTable.PSVersion
    module       = [string]$known.Module
    aliases      = [object[]]$addresses
    waypost_fqdn = $WaypostFqdn
    pools        = [object[]]$Pool
    old_servers  = [object[]]$OldServer
    absent       = [object[]]$absent
    sections     = $sections
}
$text = ConvertTo-Json -InputObject $document -Depth 6
$full = [System.IO.Path]::Combine((Get-Location).ProviderPath, $Path)
# Without a third argument: UTF-8 without a byte order mark, in every version.
[System.IO.File]::WriteAllText($full, $text)

'written: ' + $full
if ($script:failed -gt 0) {
    [string]$script:failed + ' questions have no answer; the file says why'
    exit 1
}
