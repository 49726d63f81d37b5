"""Executes commands from standard input with the unmodified Nacos client for Python on the path, until the input ends.

The commands and answers are the same for every driver: see tests/src/nacos.rs. Versions up to 1.x poll over HTTP; later versions
keep a gRPC connection. The client's log goes to standard error.
"""

import asyncio
import logging
import os
import sys
import threading

logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
SERVER = sys.argv[1]
# The interval at which the polling clients look for changes and send beats, in seconds.
POLL = 0.3
BEAT = 1.0


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def metadata(text):
    return {} if text == "-" else dict(entry.split("=", 1) for entry in text.split(","))


def shown(instances):
    """The instances as text. Each instance is a dictionary with the keys of the protocol."""
    texts = []
    for i in instances:
        health = "healthy" if i["healthy"] else "unhealthy"
        data = ",".join(f"{key}={value}" for key, value in sorted((i["metadata"] or {}).items()))
        texts.append(f" {i['ip']}:{i['port']}/{float(i['weight'])}/{health}/{data}")
    return "".join(sorted(texts))


class Polling:
    """The client of versions 0.1.x and 1.x."""

    def __init__(self):
        import nacos

        self.client = nacos.NacosClient(SERVER)
        self.beats = {}

    async def start(self):
        pass

    async def register(self, service, ip, port, weight, cluster, kind, data):
        ephemeral = kind == "ephemeral"
        arguments = dict(cluster_name=cluster, weight=float(weight), metadata=metadata(data), ephemeral=ephemeral)
        if not self.client.add_naming_instance(service, ip, int(port), **arguments):
            raise RuntimeError("the client says that the server refused")
        if ephemeral:
            self.beat(service, ip, int(port), arguments)

    async def update(self, service, ip, port, weight, cluster, kind, data):
        arguments = dict(cluster_name=cluster, weight=float(weight), metadata=metadata(data), ephemeral=kind == "ephemeral")
        if not self.client.modify_naming_instance(service, ip, int(port), **arguments):
            raise RuntimeError("the client says that the server refused")
        if kind == "ephemeral":
            self.beat(service, ip, int(port), arguments)

    def beat(self, service, ip, port, arguments):
        """In these versions the application has to send the beats itself."""
        self.stop(service, ip, port)
        stop = self.beats[service, ip, port] = threading.Event()

        def run():
            while not stop.wait(BEAT):
                try:
                    self.client.send_heartbeat(service, ip, port, **arguments)
                except Exception as error:
                    logging.warning("beat: %r", error)

        threading.Thread(target=run, daemon=True).start()

    def stop(self, service, ip, port):
        stop = self.beats.pop((service, ip, port), None)
        if stop:
            stop.set()

    async def deregister(self, service, ip, port, _weight, cluster, kind, _data):
        self.stop(service, ip, int(port))
        if not self.client.remove_naming_instance(service, ip, int(port), cluster_name=cluster, ephemeral=kind == "ephemeral"):
            raise RuntimeError("the client says that the server refused")

    async def list(self, service):
        return self.client.list_naming_instance(service)["hosts"]

    async def subscribe(self, service):
        from nacos.listener import SubscribeListener

        def changed(*_):
            say("changed " + service + shown(self.client.list_naming_instance(service)["hosts"]))

        self.client.subscribe(SubscribeListener(fn=changed, listener_name="driver"), POLL, service)


class Connected:
    """The client of versions 2.x and 3.x."""

    async def start(self):
        from v2.nacos import ClientConfigBuilder, NacosNamingService

        config = ClientConfigBuilder().server_address(SERVER).log_level("WARNING").log_dir(os.getcwd()).cache_dir(os.getcwd()).build()
        self.client = await NacosNamingService.create_naming_service(config)

    async def register(self, service, ip, port, weight, cluster, kind, data):
        from v2.nacos import RegisterInstanceParam

        await self.client.register_instance(RegisterInstanceParam(
            service_name=service, ip=ip, port=int(port), weight=float(weight), cluster_name=cluster, metadata=metadata(data),
            ephemeral=kind == "ephemeral"))

    async def update(self, service, ip, port, weight, cluster, kind, data):
        from v2.nacos import RegisterInstanceParam

        await self.client.update_instance(RegisterInstanceParam(
            service_name=service, ip=ip, port=int(port), weight=float(weight), cluster_name=cluster, metadata=metadata(data),
            ephemeral=kind == "ephemeral"))

    async def batch(self, service, *addresses):
        from v2.nacos import BatchRegisterInstanceParam, RegisterInstanceParam

        instances = [RegisterInstanceParam(service_name=service, ip=ip, port=int(port), cluster_name="DEFAULT")
                     for ip, port in (address.split(":") for address in addresses)]
        await self.client.batch_register_instances(BatchRegisterInstanceParam(service_name=service, instances=instances))

    async def deregister(self, service, ip, port, _weight, cluster, kind, _data):
        from v2.nacos import DeregisterInstanceParam

        await self.client.deregister_instance(DeregisterInstanceParam(
            service_name=service, ip=ip, port=int(port), cluster_name=cluster, ephemeral=kind == "ephemeral"))

    async def list(self, service):
        from v2.nacos import ListInstanceParam

        instances = await self.client.list_instances(ListInstanceParam(service_name=service, subscribe=False, healthy_only=None))
        return [instance.__dict__ for instance in instances]

    async def subscribe(self, service):
        from v2.nacos import SubscribeServiceParam

        async def changed(instances):
            say("changed " + service + shown([instance.__dict__ for instance in instances]))

        await self.client.subscribe(SubscribeServiceParam(service_name=service, subscribe_callback=changed))


async def main():
    client = Polling() if sys.argv[2] == "polling" else Connected()
    await client.start()
    say("ready")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, service, *words = line.split()
        try:
            result = await getattr(client, command)(service, *words)
            say(f"hosts {service}{shown(result)}" if command == "list" else f"ok {command} {service}")
        except Exception as error:
            say(f"error {command} {error!r}")
    os._exit(0)


asyncio.run(main())
