"use strict";

const express = require("express");

const app = express();
app.get("/", (request, response) => response.json({ hello: request.query.name || "world" }));

const server = app.listen(Number(process.env.PORT || 3000), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
