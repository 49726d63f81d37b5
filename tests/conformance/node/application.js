// An application observed by the unmodified SkyWalking agent for Node.js. Environment variables configure the agent. The
// application executes commands from standard input until the input ends.
//
// Each line of the input is one command: `call OPERATION PEER` serves one request named OPERATION that calls PEER (`host:port`)
// once. The output is `started` and the agent's log.

const agent = require('skywalking-backend-js').default;
const { ContextManager } = require('skywalking-backend-js');
const { Component } = require('skywalking-backend-js/lib/trace/Component');
const readline = require('node:readline');

agent.start();
console.log('started');

function call(operation, peer) {
  const entry = ContextManager.current.newEntrySpan(operation);
  entry.start();
  const exit = ContextManager.current.newExitSpan(operation, Component.HTTP);
  exit.peer = peer;
  exit.start();
  exit.stop();
  entry.stop();
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [command, operation, peer] = line.split(' ');
  if (command !== 'call') {
    console.error(`unknown command: ${line}`);
    process.exit(64);
  }
  call(operation, peer);
}).on('close', () => process.exit(0));
