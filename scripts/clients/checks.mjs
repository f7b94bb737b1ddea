// What the two Node clients share: counting checks, packing vectors, the closing line.

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const blob = (...values) => Buffer.from(new Float32Array(values).buffer);

export const text = (value) => (value === null || value === undefined ? null : value.toString());

export class Checks {
  constructor(client, version) {
    Object.assign(this, { client, version, run: 0, failed: 0 });
  }

  check(name, passed) {
    this.run += 1;
    if (!passed) {
      this.failed += 1;
      console.log(`FAIL ${this.client} ${this.version}: ${name}`);
    }
  }

  async refused(name, call, words) {
    try {
      this.check(`${name}: answered with ${await call()}`, false);
    } catch (error) {
      this.check(`${name}: ${error.message}`, error.message.includes(words));
    }
  }

  async parts(...parts) {
    for (const part of parts) {
      try {
        await part();
      } catch (error) {
        this.check(`${part.name} stopped: ${error.stack}`, false);
      }
    }
  }

  close(protocol) {
    console.log(`${this.client}|${this.version}|RESP${protocol}|${this.run}|${this.failed}`);
  }
}

// VINFO and HELLO come as a map or a flat array, with keys as text or buffers.
export function fields(reply) {
  if (reply instanceof Map) return Object.fromEntries([...reply].map(([k, v]) => [text(k), v]));
  if (!Array.isArray(reply)) return reply;
  const out = {};
  for (let i = 0; i < reply.length; i += 2) out[text(reply[i])] = reply[i + 1];
  return out;
}
