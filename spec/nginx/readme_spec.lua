-- The README's configuration of nginx runs, and does what is said there.
local nginx = require "spec.nginx.support.nginx"
local sink = require "smtplib.sink"

-- The configuration as printed; what belongs to another machine is replaced.
local function configuration(mail)
  local text = assert(nginx.read_file("README.md"):match("```nginx\nhttp {\n(.-)\n}\n```"))
  local function replace(old, new)
    local at, stop = text:find(old, 1, true)
    assert(at, "the README does not have: " .. old)
    text = text:sub(1, at - 1) .. new .. text:sub(stop + 1)
  end
  replace('"/usr/local/share/lua/5.1/?.lua;;"', '"{top}/lua/?.lua;;"')
  replace('"/usr/local/lib/lua/5.1/?.so;;"', '"{build}/?.so;;"')
  replace('host = "smtp.example.com"', ('host = "%s", port = %d'):format(mail.host, mail.port))
  replace("listen 8080;", "listen unix:{folder}/http.sock;")
  return text
end

describe("The README's configuration", function()
  local missing = nginx.missing()
  if missing then return pending(missing) end

  local server, mail
  setup(function()
    mail = assert(sink.start { auth = { me = "secret" } })
    server = nginx.start { http_block = configuration(mail) }
  end)
  teardown(function()
    if server then server:stop() end
    if mail then mail:stop() end
  end)
  after_each(function() assert.equal("", server:alarms()) end)

  it("sends a message from a request", function()
    local status, body = server:open("POST", "/contact", "Grüße\n"):response()
    assert.equal(200, status)
    local message = mail:wait(1, 10)[1]
    assert.equal("me", message.auth_user)
    assert.equal("office@example.com", message.to[1].addr)
    assert.truthy(message.data:find(body:match("Thank you: (<.->)"), 1, true))
    assert.truthy(message.data:find("Subject: From the web", 1, true))
  end)

  it("answers kindly where it cannot", function()
    mail:script { replies = { RCPT = "451 4.2.1 later" } }
    local status, body = server:open("POST", "/contact", "x"):response()
    assert.same({ 503, "Your message could not be sent.\n" }, { status, body })
    mail:script { replies = { RCPT = "550 5.1.1 no such user" } }
    status, body = server:open("POST", "/contact", "x"):response()
    assert.same({ 500, "Your message could not be sent.\n" }, { status, body })
    assert.truthy(server:log():find("SMTPRecipientsRefused: office@example.com: 550 5.1.1 no such user", 1, true))
    mail:script { replies = false }
  end)

  it("sends a message from a timer of the log phase, over the same connection", function()
    mail:take()
    assert.equal(204, (server:get("/order")))
    assert.truthy(mail:wait(1, 10)[1].data:find("An order", 1, true))
    assert.equal(1, mail:stats().connections)
  end)
end)
