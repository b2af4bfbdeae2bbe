// npm's `ws` as a client, through the edge. Arguments: port, host, CA file.
const fs = require("node:fs");
const assert = require("node:assert");
const { on, once } = require("node:events");
const WebSocket = require("ws");
const [port, host, ca] = process.argv.slice(2);
const here = (name, options, done) => (options.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4));

(async () => {
  for (const perMessageDeflate of [true, false]) {
    const options = { ca: fs.readFileSync(ca), lookup: here, perMessageDeflate, handshakeTimeout: 5000 };
    const socket = new WebSocket(`wss://${host}:${port}/chat?room=1`, options);
    const inbox = on(socket, "message");
    const message = async () => (await inbox.next()).value;
    await once(socket, "open");
    assert.equal(socket.extensions.includes("permessage-deflate"), perMessageDeflate);
    for (const size of [0, 1, 125, 126, 65535, 65536, 2000000]) {
      const data = Buffer.alloc(size, "x").map((_, at) => (at * 31) & 255);
      socket.send(data);
      const [back, binary] = await message();
      assert(binary && back.equals(data), `binary of ${size}`);
    }
    socket.send("grüße");
    const [text, binary] = await message();
    assert(!binary && text.toString() === "grüße");
    socket.ping("here?");
    assert.equal((await once(socket, "pong"))[0].toString(), "here?");
    // Many in flight at once.
    for (let number = 0; number < 1000; number++) socket.send(String(number));
    for (let number = 0; number < 1000; number++) assert.equal((await message())[0].toString(), String(number));
    socket.send("goodbye");
    const [code, reason] = await once(socket, "close");
    assert.equal(code, 4001);
    assert.equal(reason.toString(), "as you wish");
  }
  console.log("fine");
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
