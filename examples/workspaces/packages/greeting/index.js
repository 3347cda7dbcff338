"use strict";

const { bold } = require("kleur");

/**
 * @param {string} name who is greeted
 * @returns {string} the greeting, with the name in bold letters on a terminal
 */
exports.greeting = (name) => `Hello, ${bold(name)}!`;
