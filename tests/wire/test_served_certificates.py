"""A service with a certificate: new files are taken, bad ones end the start."""

import re
from datetime import timedelta
from pathlib import Path

from proxy.net.tls import TlsFiles
from tests.support.certificates import Authority
from tests.support.ports import free_port
from tests.support.service import HOST, ServiceProcess, new_service
from tests.wire.test_certificates import NAME, Installed, authority, installed

__all__ = ["authority", "installed"]  # fixtures


def service_with(folder: Path, files: TlsFiles) -> ServiceProcess:
    """A service with a TLS listener more, not started yet."""
    service = new_service(folder)
    text = service.config.read_text().replace(
        "[proxy]\n", f'[proxy]\nadvertised_host = "{NAME}"\n'
    )
    service.config.write_text(
        f'{text}\n[tls]\ncertificate = "{files.certificate}"\nkey = "{files.key}"\n'
        f'[[listen]]\ntransport = "tls"\naddress = "{HOST}:{free_port(HOST)}"\n'
    )
    return service


def test_a_service_takes_new_files_and_tells_when_they_end(
    tmp_path: Path, installed: Installed
) -> None:
    service = service_with(tmp_path, installed.files)
    service.start()
    try:
        metric = r'waypost_certificate_expiry_seconds\{file="[^"]+proxy.pem"\} (\S+)'
        before = re.search(metric, service.get("/metrics")[1])
        assert before and 86_000 < float(before[1]) <= 86_400
        files = installed.authority.issue(NAME, valid_for=timedelta(days=30))
        installed.install(files)
        service.wait_for_log("certificate.reloaded")
        after = re.search(metric, service.get("/metrics")[1])
        assert after and float(after[1]) > 29 * 86_400
    finally:
        service.end()


def test_a_service_with_a_certificate_for_another_host_does_not_start(
    tmp_path: Path, authority: Authority
) -> None:
    service = service_with(tmp_path, authority.issue("other.contoso.test"))
    service.start(is_ready=False)
    try:
        assert service.wait() == 3
    finally:
        service.end()
    assert "service.failed" in service.log
    assert f"is not valid for '{NAME}'" in service.log
