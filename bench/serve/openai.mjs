// OpenAI's npm client against a running server: chat, stream, n, stop, logprobs, errors, cancellation.
//   npm install openai && node openai.mjs http://127.0.0.1:8080 [KEY]
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const [url, apiKey = 'none'] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + '/v1', apiKey, maxRetries: 0 });
const [model] = (await client.models.list()).data.map(m => m.id);
const messages = [{ role: 'user', content: 'Tom has 3 apples. He doubles them. He buys 4 more. How many are there?' }];
const ask = more => client.chat.completions.create({ model, messages, temperature: 0, ...more });

const whole = await ask({});
const text = whole.choices[0].message.content;
assert.equal(whole.choices[0].finish_reason, 'stop');
assert.ok(whole.usage.total_tokens > whole.usage.prompt_tokens);
console.log('chat:', JSON.stringify(text), whole.choices[0].lrt.mode);

let streamed = '', usage = null;
for await (const chunk of await ask({ stream: true, stream_options: { include_usage: true } })) {
  streamed += chunk.choices[0]?.delta.content ?? '';
  usage = chunk.usage ?? usage;
}
assert.equal(streamed, text);
assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
console.log('stream:', JSON.stringify(streamed));

const thinking = await ask({ reasoning_effort: 'high' });
console.log('thinking:', JSON.stringify(thinking.choices[0].message.reasoning_content));

const three = await ask({ n: 3, temperature: 1.5, seed: 7 });
assert.equal(three.choices.length, 3);
console.log('n:', JSON.stringify(three.choices.map(c => c.message.content)));

const stopped = await ask({ stop: text.at(-1) });
assert.equal(stopped.choices[0].message.content, text.slice(0, -1));
console.log('stop:', JSON.stringify(stopped.choices[0].message.content));

const logprobs = (await ask({ logprobs: true })).choices[0].logprobs.content;
assert.equal(logprobs.map(t => t.token).join(''), text);
console.log('logprobs:', logprobs.map(t => t.logprob.toFixed(3)).join(' '));

await assert.rejects(ask({ n: 1000 }), OpenAI.BadRequestError);
await assert.rejects(ask({ model: 'no-such' }), OpenAI.NotFoundError);
await assert.rejects(ask({ frequency_penalty: 1 }), e => e.param === 'frequency_penalty');
console.log('errors: by their class and parameter');

const stream = await ask({ stream: true, temperature: 2, reasoning_effort: 'high' });
for await (const _ of stream) { stream.controller.abort(); }
const until = Date.now() + 10_000;
let busy;
do { busy = (await (await fetch(url + '/health')).json()).busy; } while (busy > 0 && Date.now() < until);
assert.equal(busy, 0);
console.log('cancellation: its place is free');
