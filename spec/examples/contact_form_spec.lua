-- The contact form as visitors use it, in headless Chromium, with its own nginx.conf;
-- and as those use it who mean no good, by hand.
local core = require "smtplib.core"
local nginx = require "spec.nginx.support.nginx"
local smtplib = require "smtplib"

local home = "spec/examples/contact-form/"

local function has_chromium()
  return select(2, nginx.shell("command -v chromium")) == 0
end

-- Below the ports that outgoing connections take.
local function free_port()
  while true do
    local port = 20000 + (core.random(2):byte(1) * 256 + core.random(1):byte()) % 12000
    local listener = core.listen("127.0.0.1", port)
    if listener then
      listener:close()
      return port
    end
  end
end

local function replace(text, old, new)
  local first, last = text:find(old, 1, true)
  assert(first, "nginx.conf lacks " .. old)
  return text:sub(1, first - 1) .. new .. text:sub(last + 1)
end

-- The example's nginx.conf, with this tree, a port and a mail server of the spec's.
local function configuration(port, mail)
  local text = nginx.read_file(home .. "nginx.conf")
  text = replace(text, "/usr/lib/nginx/modules", "{modules}")
  text = replace(text, "/usr/lib/nginx/modules", "{modules}")
  text = replace(text, "worker_processes auto;", "{user} worker_processes 1;")
  text = replace(text, "/tmp/contact-form.pid", "pid")
  text = replace(text, "stderr", "error.log")
  text = replace(text, "$prefix", "{top}/" .. home)
  text = replace(text, "/usr/local/share/lua/5.1", "{top}/lua")
  text = replace(text, "/usr/local/lib/lua/5.1", "{build}")
  text = replace(text, "access_log off;", "access_log off; client_body_temp_path body; proxy_temp_path proxy;"
    .. " fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;")
  text = replace(text, "smtp://127.0.0.1:2525", mail)
  return (replace(text, "listen 127.0.0.1:8080;", ("listen 127.0.0.1:%d; listen unix:{folder}/http.sock;"):format(port)))
end

local function url_of(sink)
  return ("smtp://%s:%d"):format(sink.host, sink.port)
end

describe("the contact form", function()
  local missing = nginx.missing() or not has_chromium() and "No Chromium on this machine."
  if missing then
    print(missing)
    return
  end
  local server, sink, address, folder

  local function start(mail)
    local port = free_port()
    server = nginx.start { template = configuration(port, mail or url_of(sink)) }
    address = ("http://127.0.0.1:%d/contact"):format(port)
  end

  before_each(function()
    sink = assert(smtplib.sink.start())
    folder = nginx.shell("mktemp -d"):match("%S+")
  end)
  after_each(function()
    if server then server:stop() end
    server = nil
    sink:stop()
    nginx.shell("rm -r " .. folder)
  end)

  -- What Chromium printed, line by line.
  local function browse(steps)
    local lines = {}
    for i, step in ipairs(steps) do lines[i] = table.concat(step, "\t"):gsub("\n", "\\n") end
    nginx.write_file(folder .. "/steps", table.concat(lines, "\n") .. "\n")
    local output, status = nginx.shell("python3 spec/examples/browser.py <" .. folder .. "/steps")
    assert.equal(0, status, output)
    local printed = {}
    for line in output:gmatch("[^\n]+") do printed[#printed + 1] = line end
    assert.equal("violations 0", table.remove(printed))
    return printed
  end

  local function text_of(selector)
    return { "js", ("document.querySelector('%s').innerText"):format(selector) }
  end

  local function value_of(selector)
    return { "js", ("document.querySelector('%s').value"):format(selector) }
  end

  local function file_of(name, bytes)
    nginx.write_file(folder .. "/" .. name, bytes)
    return folder .. "/" .. name
  end

  -- The steps of a visitor who fills in everything.
  local function visit(changes, ...)
    local given = { name = "Grüße <b>&\"O'Neill\"", address = "visitor@example.org", text = "First line\n.\n\nLast <line> €" }
    for name, value in pairs(changes or {}) do given[name] = value end
    local steps = { { "goto", address }, { "fill", "#name", given.name }, { "fill", "#address", given.address },
      { "fill", "#text", given.text } }
    if given.file then steps[#steps + 1] = { "file", "#file", given.file } end
    -- The server has to find what the browser would not let through.
    if given.unchecked then steps[#steps + 1] = { "js", "document.forms[0].noValidate = true" } end
    steps[#steps + 1] = { "click", "button" }
    for _, step in ipairs { ... } do steps[#steps + 1] = step end
    return steps
  end

  local every_byte = {}
  for i = 0, 255 do every_byte[i + 1] = string.char(i) end
  every_byte = table.concat(every_byte) .. "\r\n--x\r\n.\r\n\n\r" .. table.concat(every_byte):reverse()

  it("sends what a visitor writes and uploads, and says so", function()
    start()
    local path = file_of("Übersicht \"1\".bin", every_byte:rep(200))
    local said = browse(visit({ file = path }, { "status" }, text_of("h1"), text_of("#sent"),
      { "js", "location.search" }))
    assert.same({ "200", '"Thank you"', '"Your message has been sent. We will answer by e-mail."', '"?sent"' }, said)
    assert.equal(1, #sink:messages())
    local got = sink:messages()[1]
    assert.equal("website@example.com", got.from)
    assert.equal("office@example.com", got.to[1].addr)
    local message = smtplib.email.message_from_string(got.data)
    assert.equal("Contact form: Grüße <b>&\"O'Neill\"", message["Subject"])
    assert.same({ "Grüße <b>&\"O'Neill\"", "visitor@example.org" }, { smtplib.email.utils.parseaddr(message["Reply-To"]) })
    assert.equal("Website <website@example.com>", message["From"])
    assert.equal("Grüße <b>&\"O'Neill\" <visitor@example.org> wrote:\r\n\r\nFirst line\r\n.\r\n\r\nLast <line> €\r\n",
      message:get_body("plain"):get_content())
    local part = message:get_payload(2)
    assert.equal("Übersicht \"1\".bin", part:get_filename())
    assert.is_true(every_byte:rep(200) == part:get_payload(nil, true))
    assert.truthy(server:log():find("contact form: sent <", 1, true))
    assert.equal("", server:alarms())
  end)

  it("needs no file, and takes files that look like mail as they are", function()
    start()
    local eml = "From: a@example.com\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n.\n--x--\n"
    browse(visit())
    browse(visit { file = file_of("kept.eml", eml) })
    browse(visit { file = file_of("kept.mht", eml) })
    assert.equal(3, #sink:messages())
    assert.equal("text/plain", smtplib.email.message_from_string(sink:messages()[1].data):get_content_type())
    for i = 2, 3 do
      local part = smtplib.email.message_from_string(sink:messages()[i].data):get_payload(2)
      assert.equal(eml, part:get_payload(nil, true))
    end
    assert.equal(1, sink:stats().connections)
  end)

  it("shows what is wrong beside the field, and keeps what was typed", function()
    start()
    local said = browse(visit({ name = "", address = "visitor@", text = "<script>alert(1)</script>", unchecked = true },
      { "status" }, text_of("#notice"), text_of("#name-problem"), text_of("#address-problem"), value_of("#address"),
      value_of("#text"), { "js", "document.querySelectorAll('script').length" },
      { "js", "document.querySelector('#address').getAttribute('aria-invalid')" }))
    assert.equal("true", table.remove(said, 1))
    assert.same({ "422", '"Please look at what is marked below."', '"Please fill this in."',
      '"This is not an e-mail address."', '"visitor@"', '"<script>alert(1)</script>"', "0", '"true"' }, said)
    assert.equal(0, #sink:messages())
  end)

  it("says that it is to be tried again when the server is down, and logs why", function()
    start("smtp://127.0.0.1:1")
    local said = browse(visit({ file = file_of("x", "x") }, { "status" }, text_of("#notice"), value_of("#name"), value_of("#text")))
    assert.same({ "503", '"Your message could not be sent just now. Please try again in a few minutes. The file has to be chosen anew."',
      [["Grüße <b>&\"O'Neill\""]], [["First line\n.\n\nLast <line> €"]] }, said)
    assert.truthy(server:log():find("contact form: SMTPSocketError: cannot connect to 127.0.0.1: connection refused (connect); "
      .. "delivery none; temporary true; host 127.0.0.1:1; Message-ID <", 1, true), server:log())
    assert.truthy(server:log():find("; from visitor@example.org", 1, true))
    assert.equal("", server:alarms())
  end)

  it("says whom to write to when the address is refused, and logs why", function()
    sink:script { replies = { ["RCPT office@example.com"] = "550 5.1.1 no such <b>user</b>" } }
    start()
    local said = browse(visit({}, { "status" }, text_of("#notice")))
    assert.same({ "502", '"Your message could not be sent, and that is our fault. We have been told, and will look into it. '
      .. 'Please write to office@example.com meanwhile."' }, said)
    assert.truthy(server:log():find("contact form: SMTPRecipientsRefused: office@example.com: 550 5.1.1 no such <b>user</b> (RCPT); "
      .. "delivery none; temporary false", 1, true), server:log())
    assert.equal("", server:alarms())
  end)

  it("says that it does not know when the server goes away with the message", function()
    sink:script { disconnect = { ["."] = true } }
    start()
    local said = browse(visit({}, { "status" }, text_of("#notice")))
    assert.same({ "503", '"We are not sure whether your message has been sent. If you get no answer, please write again."' }, said)
  end)

  it("says that a file is too large, whoever finds it", function()
    start()
    local said = browse(visit({ file = file_of("large", ("x"):rep(5 * 1024 * 1024 + 1)) }, { "status" }, text_of("#file-problem"), value_of("#name")))
    assert.same({ "422", '"The file may have at most 5 MB."', [["Grüße <b>&\"O'Neill\""]] }, said)
    said = browse(visit({ file = file_of("larger", ("x"):rep(20 * 1024 * 1024)) }, { "status" }, text_of("#notice")))
    assert.same({ "413", '"The file is too large. Please choose a smaller one."' }, said)
    assert.equal(0, #sink:messages())
  end)

  -- A request as no browser makes it: status, head, page.
  local function request(method, fields, body)
    local stream = core.tcp()
    assert(stream:connect("unix:" .. server.socket, 0, { timeout = 60 }))
    assert(stream:send(("%s /contact HTTP/1.0\r\n%sContent-Length: %d\r\n\r\n%s"):format(method, fields, #body, body)))
    local pieces = {}
    for piece in function() return (stream:receive()) end do pieces[#pieces + 1] = piece end
    stream:close()
    local head, page = table.concat(pieces):match("^(.-)\r\n\r\n(.*)$")
    return tonumber(head:match("^%S+ (%d+)")), head, page
  end

  local multipart = "Content-Type: multipart/form-data; boundary=b\r\n"

  local function form_of(changes)
    local values = { name = "N", address = "v@example.org", text = "T" }
    for name, value in pairs(changes or {}) do values[name] = value end
    local lines = {}
    for name, value in pairs(values) do
      lines[#lines + 1] = ('--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'):format(name, value)
    end
    return table.concat(lines) .. "--b--\r\n"
  end

  it("takes a form that no browser has sent", function()
    start()
    local status, head = request("POST", multipart, form_of())
    assert.equal(303, status)
    assert.truthy(head:find("\r\nLocation: [^\r]*/contact%?sent"))
    assert.equal(1, #sink:messages())
  end)

  it("rule: line breaks add neither fields nor recipients", function()
    start()
    for name, value in pairs {
      name = "x\r\nBcc: victim@example.com", address = "a@example.org\r\nBcc: victim@example.com",
    } do
      local status, _, page = request("POST", multipart, form_of { [name] = value })
      assert.equal(422, status)
      assert.truthy(page:find('id="' .. name .. '-problem"', 1, true))
    end
    local file = '--b\r\nContent-Disposition: form-data; name="file"; filename="x%0D%0ABcc: a\tb\0c"\r\n\r\nx\r\n'
    request("POST", multipart, file .. form_of())
    assert.equal(1, #sink:messages())
    for _, message in ipairs(sink:messages()) do
      assert.equal(1, #message.to)
      assert.is_nil(message.data:find("\nBcc:"))
    end
    assert.equal("", server:alarms())
  end)

  it("answers in words what is no form", function()
    start()
    local part = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'
    for _, case in ipairs {
      { 400, "", form_of() },
      { 400, "Content-Type: application/x-www-form-urlencoded\r\n", "name=N" },
      { 400, "Content-Type: multipart/form-data\r\n", form_of() },
      { 400, multipart, "" },
      { 400, multipart, (form_of():gsub("%-%-b%-%-\r\n$", "")) },
      { 400, multipart, "--b\r\n\r\nx\r\n--b--" },
      { 400, multipart, "--b\r\nContent-Disposition: attachment; name=x\r\n\r\nx\r\n--b--" },
      { 400, multipart, part:rep(51) .. form_of() },
      { 422, multipart, "--b--" },
      { 422, multipart, form_of { name = "\255" } },
      { 422, multipart, form_of { text = "\0" } },
      { 422, multipart, form_of { name = ("x"):rep(401) } },
      { 422, multipart, form_of { address = "a@b, c@d" } },
    } do
      local status, _, page = request("POST", case[2], case[3])
      assert.equal(case[1], status, case[3])
      assert.truthy(page:find("<form", 1, true))
      -- The rate limit has a spec of its own.
      server:stop()
      start()
    end
    assert.equal(405, (request("PUT", multipart, form_of())))
    assert.equal(0, #sink:messages())
  end)

  it("shows nothing as HTML that came from outside", function()
    start()
    local _, head, page = request("POST", multipart, form_of { name = '"><script>', address = "'><img>", text = "</textarea><script>" })
    assert.is_nil(page:find("<script", 1, true))
    assert.is_nil(page:find("<img", 1, true))
    assert.truthy(page:find('value="&quot;&gt;&lt;script&gt;"', 1, true))
    assert.truthy(head:find("Content-Security-Policy: default-src 'none'", 1, true))
  end)

  it("asks for patience when there are too many", function()
    start()
    local seen = {}
    for _ = 1, 20 do
      local status, _, page = request("POST", multipart, form_of())
      seen[status] = (seen[status] or 0) + 1
      if status == 429 then assert.truthy(page:find("Please wait a minute", 1, true)) end
    end
    assert.truthy(seen[429] and seen[303] and seen[303] >= 10)
    assert.equal(200, (request("GET", "", "")))
    assert.equal(seen[303], #sink:messages())
  end)
end)
