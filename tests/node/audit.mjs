// Runs the GraphQL over HTTP audits of npm's graphql-http against a server: node audit.mjs URL
// Prints a line of JSON: per level (MUST, SHOULD, MAY) how many passed of how many, and what did not.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2], fetchFn: fetch });
const levels = {};
const failed = [];
for (const result of results) {
  const level = (levels[result.name.split(' ')[0]] ??= { passed: 0, of: 0 });
  level.of += 1;
  if (result.status === 'ok') level.passed += 1;
  else failed.push(`${result.id} ${result.name}: ${result.reason}`);
}
console.log(JSON.stringify({ total: results.length, levels, failed }));
