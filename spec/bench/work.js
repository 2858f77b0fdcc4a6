// nodemailer's MailComposer at work without a connection: see work.lua.
//
//   node work.js JOB SECONDS COUNT
"use strict";
const fs = require("fs");
const path = require("path");

const folder = path.resolve(process.env.BUILD || "build", "bench");
const composer = require(require.resolve("nodemailer/lib/mail-composer", { paths: [folder] }));
const MailComposer = composer.default || composer;

const read = (name) => fs.readFileSync(path.join(folder, name));
const from = "Sender <sender@bench.test>";
const to = "recipient@bench.test";

const jobs = {
  small: () => {
    const text = read("text").toString();
    return [{ from, to, subject: "A message of the benchmark", text }, text.length];
  },
  report: () => {
    const content = read("binary");
    return [{
      from, to, subject: "A report of the benchmark", text: "Hello,\nhere is the report.\n",
      html: "<p>Hello,<br>here is the report.</p>\n",
      attachments: [{ content, filename: "report.pdf" }],
    }, content.length];
  },
};

const compose = (mail) => new Promise((resolve, reject) => {
  const stream = new MailComposer(mail).compile().createReadStream();
  stream.on("data", () => {});
  stream.on("end", resolve);
  stream.on("error", reject);
});

const now = () => Number(process.hrtime.bigint()) / 1e9;

const run = async (mail, seconds, count) => {
  const start = now();
  let done = 0;
  do {
    await compose(mail);
    done++;
  } while (done < count && now() - start < seconds);
  return done;
};

const forgetPeak = () => {
  try {
    fs.writeFileSync("/proc/self/clear_refs", "5");
  } catch (_) { /* not Linux */ }
};

const main = async () => {
  const [mail, bytes] = jobs[process.argv[2]]();
  const seconds = Number(process.argv[3]), count = Number(process.argv[4]);
  await run(mail, seconds / 10, count);
  forgetPeak();
  const start = now(), used = process.cpuUsage();
  const done = await run(mail, seconds, count);
  const wall = now() - start, cpu = process.cpuUsage(used);
  const peak = fs.readFileSync("/proc/self/status", "utf8").match(/VmHWM:\s*(\d+)/)[1];
  console.log(`done ${done}\nbytes ${bytes}\nwall ${wall.toFixed(6)}\n` +
    `cpu ${((cpu.user + cpu.system) / 1e6).toFixed(6)}\npeak_kib ${peak}`);
};

main();
