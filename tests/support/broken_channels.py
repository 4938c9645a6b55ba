"""Front ends whose lookup server works and whose channel server does not."""

from proxy.lab.front_end import FrontEndServer


class HangingChannel(FrontEndServer):
    """It looks up well, and its channel server never says anything."""

    async def _serve(self, link, request, sent):
        if request.method == "INFO" and b"cmd:bjoin" in request.body:
            self._reply(link, request, 200, sent)
            return
        await super()._serve(link, request, sent)


class DeafChannel(FrontEndServer):
    """It looks up well, and lets a call to the channel ring for ever."""

    async def _serve(self, link, request, sent):
        if request.method == "INVITE" and "GC-1" in request.uri:
            self._reply(link, request, 180, sent)
            return
        await super()._serve(link, request, sent)
