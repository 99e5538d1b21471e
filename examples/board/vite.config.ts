/** For `npm run dev`: the page by Vite, all else by the server that `npm start` runs. */
import { defineConfig } from "vite";

const target = `http://localhost:${process.env.PORT ?? 8080}`;

export default defineConfig({
  server: { proxy: { "^/(login|logout|token)$": target, "/rpc": { target, ws: true } } },
});
