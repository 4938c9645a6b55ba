#requires -Version 5.1
# Waypost over its console, from a Windows desk: every rule stays on the server, and what
# stands here only asks.  It was never run on PowerShell by those who wrote it: a test
# reads it with a grammar and compares each request with the API's document.
#
#   Import-Module .\Waypost.psm1 -Prefix Wp       # beside Lync's own module: New-WpCs...
#   $env:WAYPOST_SERVER = 'https://proxy.contoso.com:8443'
#   $anna = Get-Credential                        # a person; or: user name "token"
#   Get-WpCsPersistentChatEndpoint -Credential $anna

Set-StrictMode -Version 2.0

# -- the console ---------------------------------------------------------------------

function ConvertTo-Segment([string] $Text) {
    return [System.Uri]::EscapeDataString($Text)
}

function Get-Api([string] $Server) {
    if (-not $Server) {
        throw 'Name the console: -Server https://proxy.contoso.com:8443, or $env:WAYPOST_SERVER.'
    }
    $address = [System.Uri]$Server
    if ($address.Scheme -ne 'https' -and -not $address.IsLoopback) {
        throw "Over $($address.Scheme) everybody on the way could read the password: write https://"
    }
    return $address.GetLeftPart([System.UriPartial]::Authority) + '/api/v1'
}

function Get-QueryText([hashtable] $Query) {
    $pairs = @()
    foreach ($name in $Query.Keys) {
        $value = $Query[$name]
        if ($null -eq $value) { continue }
        if ($value -is [bool]) {
            if (-not $value) { continue }
            $value = 'true'
        }
        $pairs += $name + '=' + (ConvertTo-Segment ([string]$value))
    }
    if ($pairs.Count -eq 0) { return '' }
    return '?' + ($pairs -join '&')
}

function Get-BodyBytes([hashtable] $Body) {
    $given = @{}
    foreach ($name in $Body.Keys) {
        if ($null -ne $Body[$name]) { $given[$name] = $Body[$name] }
    }
    # Windows PowerShell would send text in another encoding.
    $text = ConvertTo-Json -InputObject $given -Depth 8 -Compress
    return , [System.Text.Encoding]::UTF8.GetBytes($text)
}

function Get-Refusal($Failure) {
    $said = $Failure.ErrorDetails
    if ($null -eq $said -or -not $said.Message) { return $Failure.Exception.Message }
    try {
        $problem = ConvertFrom-Json -InputObject $said.Message
        return [string]$problem.detail
    }
    catch {
        return $Failure.Exception.Message
    }
}

function Invoke-Once([hashtable] $Request) {
    try {
        $answer = Invoke-WebRequest @Request
    }
    catch {
        throw (Get-Refusal $_)
    }
    # Windows PowerShell would read it in another encoding.
    $text = [System.Text.Encoding]::UTF8.GetString($answer.RawContentStream.ToArray())
    return ConvertFrom-Json -InputObject $text
}

function Send-Request {
    param(
        [string] $Server,
        [System.Management.Automation.PSCredential] $Credential,
        [string] $Method,
        [string] $Path,
        [hashtable] $Query = @{},
        [hashtable] $Body = $null
    )
    $api = Get-Api $Server
    $tls12 = [System.Net.SecurityProtocolType]::Tls12
    if ($PSVersionTable.PSVersion.Major -lt 6) {
        $known = [System.Net.ServicePointManager]::SecurityProtocol
        [System.Net.ServicePointManager]::SecurityProtocol = $known -bor $tls12
    }
    $network = $Credential.GetNetworkCredential()
    $secret = $network.Password
    $request = @{
        Uri = $api + $Path + (Get-QueryText $Query)
        Method = $Method
        Headers = @{ Accept = 'application/json' }
        UseBasicParsing = $true
        MaximumRedirection = 0
        TimeoutSec = 900
    }
    if ($null -ne $Body) {
        $request.Body = Get-BodyBytes $Body
        $request.ContentType = 'application/json; charset=utf-8'
    }
    if ($Credential.UserName -eq 'token') {
        $request.Headers['Authorization'] = 'Bearer ' + $secret
        return Invoke-Once $request
    }
    $session = New-Object Microsoft.PowerShell.Commands.WebRequestSession
    $signing = @{
        Uri = $api + '/session'
        Method = 'POST'
        WebSession = $session
        Body = Get-BodyBytes @{ name = $network.UserName; password = $secret }
        ContentType = 'application/json; charset=utf-8'
        UseBasicParsing = $true
        MaximumRedirection = 0
        TimeoutSec = 60
    }
    $signed = Invoke-Once $signing
    $ours = @{ 'X-Waypost-CSRF' = [string]$signed.csrf }
    $request.WebSession = $session
    $request.Headers['X-Waypost-CSRF'] = [string]$signed.csrf
    try {
        return Invoke-Once $request
    }
    finally {
        $end = @{
            Uri = $api + '/session'
            Method = 'DELETE'
            WebSession = $session
            Headers = $ours
            UseBasicParsing = $true
            MaximumRedirection = 0
            TimeoutSec = 60
        }
        try { $null = Invoke-Once $end } catch { Write-Verbose ([string]$_) }
    }
}

# -- what is shown -------------------------------------------------------------------

function ConvertTo-Endpoint($Row) {
    # With the names of Lync's cmdlets beside those of the API.
    $names = @{
        Identity = 'sip_address'
        SipAddress = 'sip_address'
        PersistentChatPoolFqdn = 'pool_fqdn'
        DisplayName = 'display_name'
    }
    foreach ($name in $names.Keys) {
        Add-Member -InputObject $Row -MemberType AliasProperty -Name $name -Value $names[$name]
    }
    return $Row
}

function Write-Change($Answer) {
    $warnings = $Answer.PSObject.Properties['warnings']
    if ($null -ne $warnings) {
        foreach ($text in $warnings.Value) { Write-Warning $text }
    }
    return $Answer
}

function Read-Text($Cmdlet, [string] $Path) {
    if (-not $Path) { return $null }
    $full = $Cmdlet.GetUnresolvedProviderPathFromPSPath($Path)
    return [System.IO.File]::ReadAllText($full)
}

# -- endpoints -----------------------------------------------------------------------

function New-CsPersistentChatEndpoint {
    <#
    .SYNOPSIS
    Creates an endpoint. -WhatIf asks the server what would happen.
    #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('sip_address', 'Identity')]
        [string] $SipAddress,
        [Parameter(Mandatory = $true, ValueFromPipelineByPropertyName = $true)]
        [Alias('pool_fqdn')]
        [string] $PersistentChatPoolFqdn,
        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [Alias('display_name')]
        [string] $DisplayName,
        [string] $RequestUri,
        [string[]] $ServiceUri,
        [switch] $Force,
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    process {
        $what = [bool]$WhatIfPreference
        if (-not $what -and -not $PSCmdlet.ShouldProcess($SipAddress, 'create')) { return }
        $display = if ($PSBoundParameters.ContainsKey('DisplayName')) { $DisplayName } else { $null }
        $uri = if ($PSBoundParameters.ContainsKey('RequestUri')) { $RequestUri } else { $null }
        $answer = Send-Request -Server $Server -Credential $Credential -Method 'POST' -Path '/endpoints' -Query @{
            what_if = $what
            force = [bool]$Force
        } -Body @{
            sip_address = $SipAddress
            pool_fqdn = $PersistentChatPoolFqdn
            display_name = $display
            request_uri = $uri
            service_uris = $ServiceUri
        }
        Write-Change $answer
    }
}

function Get-CsPersistentChatEndpoint {
    <#
    .SYNOPSIS
    One endpoint by address or display name, those of a pool, or all.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('sip_address', 'SipAddress')]
        [string] $Identity,
        [string] $PersistentChatPoolFqdn,
        [string] $Filter,
        [Nullable[int]] $ResultSize,
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    process {
        if ($Identity) {
            $path = ConvertTo-Segment $Identity
            $found = Send-Request -Server $Server -Credential $Credential -Method 'GET' -Path "/endpoints/$path"
            ConvertTo-Endpoint $found
            return
        }
        $pool = if ($PersistentChatPoolFqdn) { $PersistentChatPoolFqdn } else { $null }
        $chosen = if ($Filter) { $Filter } else { $null }
        $found = Send-Request -Server $Server -Credential $Credential -Method 'GET' -Path '/endpoints' -Query @{
            pool_fqdn = $pool
            filter = $chosen
            limit = $ResultSize
        }
        foreach ($row in $found) { ConvertTo-Endpoint $row }
    }
}

function Set-CsPersistentChatEndpoint {
    <#
    .SYNOPSIS
    Changes an endpoint, never its address. What is not named stays as it is.
    #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('sip_address', 'SipAddress')]
        [string] $Identity,
        [Parameter(ValueFromPipelineByPropertyName = $true)]
        [Alias('pool_fqdn')]
        [string] $PersistentChatPoolFqdn,
        [string] $DisplayName,
        [string] $RequestUri,
        [string[]] $ServiceUri,
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    process {
        $what = [bool]$WhatIfPreference
        if (-not $what -and -not $PSCmdlet.ShouldProcess($Identity, 'change')) { return }
        $pool = if ($PSBoundParameters.ContainsKey('PersistentChatPoolFqdn')) { $PersistentChatPoolFqdn } else { $null }
        $display = if ($PSBoundParameters.ContainsKey('DisplayName')) { $DisplayName } else { $null }
        $uri = if ($PSBoundParameters.ContainsKey('RequestUri')) { $RequestUri } else { $null }
        $path = ConvertTo-Segment $Identity
        $answer = Send-Request -Server $Server -Credential $Credential -Method 'PATCH' -Path "/endpoints/$path" -Query @{
            what_if = $what
        } -Body @{
            pool_fqdn = $pool
            display_name = $display
            request_uri = $uri
            service_uris = $ServiceUri
        }
        Write-Change $answer
    }
}

function Remove-CsPersistentChatEndpoint {
    <#
    .SYNOPSIS
    Removes an endpoint and what was learned through it.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    param(
        [Parameter(Mandatory = $true, Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('sip_address', 'SipAddress')]
        [string] $Identity,
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    process {
        $what = [bool]$WhatIfPreference
        if (-not $what -and -not $PSCmdlet.ShouldProcess($Identity, 'remove')) { return }
        $path = ConvertTo-Segment $Identity
        $answer = Send-Request -Server $Server -Credential $Credential -Method 'DELETE' -Path "/endpoints/$path" -Query @{
            what_if = $what
        }
        Write-Change $answer
    }
}

# -- the weekend ---------------------------------------------------------------------

function Test-WaypostEndpoint {
    <#
    .SYNOPSIS
    Asks the doctor about one endpoint, a plan, or all; a step for each thing it saw.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('sip_address', 'SipAddress')]
        [string] $Identity,
        [string] $PlanPath,
        [string] $FactsPath,
        [switch] $Journey,
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    process {
        $who = if ($Identity) { $Identity } else { $null }
        $answer = Send-Request -Server $Server -Credential $Credential -Method 'POST' -Path '/doctor' -Body @{
            identity = $who
            plan = Read-Text $PSCmdlet $PlanPath
            facts = Read-Text $PSCmdlet $FactsPath
            journey = [bool]$Journey
        }
        $answer.steps
    }
}

function Get-WaypostCutover {
    <#
    .SYNOPSIS
    The newest cutover: its state, its guard, and what time is left to confirm it.
    #>
    [CmdletBinding()]
    param(
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    Send-Request -Server $Server -Credential $Credential -Method 'GET' -Path '/cutovers/newest'
}

function Invoke-WaypostCutover {
    <#
    .SYNOPSIS
    Examines the new pools, then switches everything in a plan at once.
    .PARAMETER ConfirmWithin
    Minutes after which it is rolled back by itself unless it was confirmed.
    .PARAMETER GuardPercent
    Rolled back by itself when more of the calls fail.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    param(
        [Parameter(Position = 0)]
        [string] $Path,
        [switch] $Again,
        [Nullable[int]] $Percent,
        [string[]] $Pilot,
        [Nullable[double]] $ConfirmWithin,
        [Nullable[double]] $GuardPercent,
        [int] $GuardMinimum = 20,
        [double] $GuardMinutes = 30,
        [switch] $GuardProbe,
        [string] $FactsPath,
        [switch] $Force,
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    $what = [bool]$WhatIfPreference
    $named = if ($Again) { 'the plan that was rolled back last' } else { $Path }
    if (-not $what -and -not $PSCmdlet.ShouldProcess($named, 'switch to the new pools')) { return }
    $guard = $null
    if ($null -ne $GuardPercent) {
        $guard = @{
            limit_percent = $GuardPercent
            min = $GuardMinimum
            seconds = $GuardMinutes * 60
            probe = [bool]$GuardProbe
        }
    }
    $name = if ($Path) { [System.IO.Path]::GetFileName($Path) } else { $null }
    $answer = Send-Request -Server $Server -Credential $Credential -Method 'POST' -Path '/cutovers' -Query @{
        what_if = $what
        force = [bool]$Force
    } -Body @{
        plan = Read-Text $PSCmdlet $Path
        name = $name
        again = [bool]$Again
        percent = $Percent
        pilots = $Pilot
        confirm_within = $ConfirmWithin
        guard = $guard
        facts = Read-Text $PSCmdlet $FactsPath
    }
    Write-Change $answer
}

function Confirm-WaypostCutover {
    <#
    .SYNOPSIS
    Keeps the newest cutover: it is not rolled back by itself any more.
    #>
    [CmdletBinding(SupportsShouldProcess = $true)]
    param(
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    $what = [bool]$WhatIfPreference
    if (-not $what -and -not $PSCmdlet.ShouldProcess('the newest cutover', 'keep')) { return }
    $answer = Send-Request -Server $Server -Credential $Credential -Method 'POST' -Path '/cutovers/newest/confirm' -Query @{
        what_if = $what
    }
    Write-Change $answer
}

function Undo-WaypostCutover {
    <#
    .SYNOPSIS
    Puts every endpoint of the newest cutover back to where it was.
    #>
    [CmdletBinding(SupportsShouldProcess = $true, ConfirmImpact = 'High')]
    param(
        [switch] $Force,
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    $what = [bool]$WhatIfPreference
    if (-not $what -and -not $PSCmdlet.ShouldProcess('the newest cutover', 'roll back')) { return }
    $answer = Send-Request -Server $Server -Credential $Credential -Method 'POST' -Path '/cutovers/newest/rollback' -Query @{
        what_if = $what
        force = [bool]$Force
    }
    Write-Change $answer
}

function Get-WaypostUsage {
    <#
    .SYNOPSIS
    Who still dials a legacy address: of one endpoint, or of all.
    #>
    [CmdletBinding()]
    param(
        [Parameter(Position = 0, ValueFromPipelineByPropertyName = $true)]
        [Alias('sip_address', 'SipAddress')]
        [string] $Identity,
        [Nullable[int]] $Days,
        [string] $Server = $env:WAYPOST_SERVER,
        [Parameter(Mandatory = $true)]
        [System.Management.Automation.PSCredential] $Credential
    )
    process {
        if ($Identity) {
            $path = ConvertTo-Segment $Identity
            Send-Request -Server $Server -Credential $Credential -Method 'GET' -Path "/usage/$path" -Query @{
                days = $Days
            }
            return
        }
        $found = Send-Request -Server $Server -Credential $Credential -Method 'GET' -Path '/usage' -Query @{
            days = $Days
        }
        foreach ($row in $found) { $row }
    }
}

Export-ModuleMember -Function @(
    'New-CsPersistentChatEndpoint'
    'Get-CsPersistentChatEndpoint'
    'Set-CsPersistentChatEndpoint'
    'Remove-CsPersistentChatEndpoint'
    'Test-WaypostEndpoint'
    'Get-WaypostCutover'
    'Invoke-WaypostCutover'
    'Confirm-WaypostCutover'
    'Undo-WaypostCutover'
    'Get-WaypostUsage'
)
