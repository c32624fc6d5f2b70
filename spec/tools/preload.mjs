// SPDX-License-Identifier: Apache-2.0

// Loaded before a program that knows nothing of Prism: node --import ./preload.mjs.
import { watched } from "./watch.mjs";

globalThis.fetch = watched;
