// An application observed by the unmodified SkyWalking agent for Node.js, which its environment configures, that does what standard
// input says until that ends.
//
// Input, one command a line: `call OPERATION PEER` serves one request named OPERATION that calls PEER (`host:port`) once.
// Output: `started`. The agent's log goes to the same stream.

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
