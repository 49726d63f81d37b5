// Executes commands from standard input with the unmodified Nacos client for Node.js, until the input ends. The commands and
// answers are the same for every driver: see tests/src/nacos.rs. The client's log goes to standard error.

const { NacosNamingClient } = require('nacos');
const readline = require('node:readline');

const log = (level) => (...parts) => console.error(level, ...parts);
const logger = { debug() {}, info() {}, warn: log('WARN'), error: log('ERROR') };
const client = new NacosNamingClient({ logger, serverList: process.argv[2], namespace: 'public' });

const shown = (hosts) => hosts.map((host) => {
  const metadata = Object.entries(host.metadata || {}).sort().map(([key, value]) => `${key}=${value}`).join(',');
  const weight = Number.isInteger(host.weight) ? `${host.weight}.0` : `${host.weight}`;
  return ` ${host.ip}:${host.port}/${weight}/${host.healthy ? 'healthy' : 'unhealthy'}/${metadata}`;
}).sort().join('');

const instance = ([ip, port, weight, clusterName, kind, metadata]) => ({
  ip,
  port: Number(port),
  weight: Number(weight),
  clusterName,
  ephemeral: kind === 'ephemeral',
  metadata: metadata === '-' ? {} : Object.fromEntries(metadata.split(',').map((entry) => entry.split('='))),
});

const commands = {
  register: (service, words) => client.registerInstance(service, instance(words)),
  update: (service, words) => client.registerInstance(service, instance(words)),
  deregister: (service, words) => client.deregisterInstance(service, instance(words)),
  list: (service) => client.getAllInstances(service, 'DEFAULT_GROUP', '', false),
  subscribe: (service) => client.subscribe(service, (hosts) => console.log(`changed ${service}${shown(hosts)}`)),
};

async function obey(line) {
  const [command, service, ...words] = line.split(' ');
  try {
    const result = await commands[command](service, words);
    console.log(command === 'list' ? `hosts ${service}${shown(result)}` : `ok ${command} ${service}`);
  } catch (error) {
    console.log(`error ${command} ${`${error}`.split('\n')[0]}`);
  }
}

(async () => {
  await client.ready();
  console.log('ready');
  for await (const line of readline.createInterface({ input: process.stdin })) await obey(line);
  process.exit(0);
})();
