"""The cmdlets' own spelling."""

import shlex

import pytest

from proxy.cli.typed.cmdlets import UsageError, translate

NEW = "New-CsPersistentChatEndpoint"
GET = "Get-CsPersistentChatEndpoint"
SET = "Set-CsPersistentChatEndpoint"
REMOVE = "Remove-CsPersistentChatEndpoint"


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        (
            f"{NEW} -SipAddress a@c.com -PersistentChatPoolFqdn p.c.com",
            "endpoint new --quiet --sip-address=a@c.com --pool-fqdn=p.c.com",
        ),
        (
            "NEW-CSPERSISTENTCHATENDPOINT -sipaddress a@c.com "
            "-persistentchatpoolfqdn p -displayname 'Old chat' -passthru -whatif",
            "endpoint new --quiet --sip-address=a@c.com --pool-fqdn=p "
            "'--display-name=Old chat' --pass-thru --what-if",
        ),
        (
            f"{NEW} -Sip:a@c.com -Pers p -wi",
            "endpoint new --quiet --sip-address=a@c.com --pool-fqdn=p --what-if",
        ),
        (f"{NEW} -WhatIf:$true -Confirm:$false", "endpoint new --quiet --what-if"),
        (f"{NEW} -cf -WhatIf:$False", "endpoint new --quiet --confirm"),
        (f"{NEW} -DisplayName -odd", "endpoint new --quiet --display-name=-odd"),
        (f"{NEW} -Verbose -ErrorAction Stop -ea Stop", "endpoint new --quiet"),
        (f"{NEW} -?", "get-help New-CsPersistentChatEndpoint"),
        (GET, "endpoint get"),
        (f"{GET} sip:a@c.com", "endpoint get --identity=sip:a@c.com"),
        (f"{GET} -Identity 'Old chat'", "endpoint get '--identity=Old chat'"),
        (
            f"{GET} -PersistentChatPoolFqdn p -ResultSize 5",
            "endpoint get --pool-fqdn=p --result-size=5",
        ),
        (
            f"{GET} -Filter '{{DisplayName -like \"*x*\"}}'",
            "endpoint get '--filter={DisplayName -like \"*x*\"}'",
        ),
        (
            f"{GET} -Filter {{DisplayName -like '*a b*}}'",
            "endpoint get '--filter={DisplayName -like \"*a b*}\"'",
        ),
        (
            f"{SET} a@c.com -DisplayName ''",
            "endpoint set --quiet --identity=a@c.com --display-name=",
        ),
        (
            f"{REMOVE} -Identity a@c.com -Force -Confirm:$false",
            "endpoint remove --quiet --identity=a@c.com",
        ),
        (
            f"{NEW} -Sip a@c.com -Force",
            "endpoint new --quiet --sip-address=a@c.com --force",
        ),
        (f"{GET} -", "endpoint get --identity=-"),
        ("endpoint get -x", "endpoint get -x"),
        ("", ""),
    ],
)
def test_a_cmdlet_line_becomes_ours(line, ours):
    assert translate(shlex.split(line)) == shlex.split(ours)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Move-CsPersistentChatEndpoint", "New-, Get-, Set- and Remove-"),
        (f"{NEW} a@c.com", "stands alone"),
        (f"{GET} a b", "stands alone"),
        (f"{GET} -Identity a b", "stands alone"),
        (f"{NEW} -Colour red", "no parameter -Colour"),
        (f"{NEW} -S a", "could be -SipAddress or -ServiceUri"),
        (f"{NEW} -SipAddress", "needs a value"),
        (f"{NEW} -WhatIf:maybe", "neither $true nor $false"),
        (f"{SET} -SipAddress a", "never changes"),
        (f"{GET} -LdapFilter x", "no Active Directory"),
    ],
)
def test_a_line_that_is_not_understood_says_what_to_write(line, says):
    with pytest.raises(UsageError) as caught:
        translate(shlex.split(line))
    assert says in str(caught.value)
