#!/usr/bin/env node
"use strict";

const { greeting } = require("@example/greeting");
const { Command } = require("commander");

new Command("greet")
  .argument("<name>", "who is greeted")
  .action((/** @type {string} */ name) => console.log(greeting(name)))
  .parse();
