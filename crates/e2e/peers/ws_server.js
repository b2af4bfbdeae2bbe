// A WebSocket server of npm's `ws`, with compression. Prints its port.
const { WebSocketServer } = require("ws");
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: { threshold: 0 } });
server.on("listening", () => console.log(server.address().port));
server.on("connection", (socket) => {
  socket.on("message", (data, binary) => {
    if (data.toString() === "goodbye") return socket.close(4001, "as you wish");
    socket.send(data, { binary });
  });
});
