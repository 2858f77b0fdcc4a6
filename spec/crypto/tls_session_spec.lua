-- Resumption: what is resumed, and what must never be, since a resumed
-- handshake shows no certificate.
local core = require "smtplib.core"
local certs = require "spec.support.certs"
local pair = require "spec.support.tlspair"

local function visit(client_context, server_context, opts)
  opts = opts or {}
  opts.peer = opts.peer == nil and "localhost:25" or opts.peer or nil
  local client, server = pair.connect(client_context, server_context, opts)
  assert.is_nil(client:failure())
  local resumed = client:resumed()
  assert.are.equal(resumed, server:resumed())
  if opts.cut then
    server:write("x")
    pair.pump(client, server)
    pair.read(client)
  else
    pair.finish(client, server, opts.step)
  end
  local fingerprint = client:fingerprint()
  client:close()
  return resumed, fingerprint
end

for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
  local limits = { max_version = version }

  describe("a TLS session, " .. version .. ",", function()
    local client_context, server_context
    before_each(function()
      client_context = pair.client_context(limits)
      server_context = pair.server_context("server", limits)
    end)

    it("is resumed by the next connection of its context, again and again", function()
      local first, fingerprint = visit(client_context, server_context)
      assert.is_false(first)
      for _ = 1, 10 do
        local resumed, same = visit(client_context, server_context)
        assert.is_true(resumed)
        assert.are.equal(fingerprint, same)
      end
    end)

    it("is resumed bytewise too", function()
      assert.is_false((visit(client_context, server_context, { step = 1 })))
      assert.is_true((visit(client_context, server_context, { step = 1 })))
    end)

    it("is resumed after a connection that nobody shut down", function()
      assert.is_false((visit(client_context, server_context, { cut = true })))
      assert.is_true((visit(client_context, server_context)))
    end)

    it("is resumed by several connections side by side, then by none", function()
      visit(client_context, server_context)
      visit(client_context, server_context)
      local a = pair.connect(client_context, server_context, { peer = "localhost:25" })
      assert.is_true(a:resumed())
    end)

    it("is not offered to another server", function()
      visit(client_context, server_context, { peer = "localhost:25" })
      assert.is_false((visit(client_context, server_context, { peer = "localhost:26" })))
      assert.is_true((visit(client_context, server_context, { peer = "localhost:25" })))
    end)

    it("is not offered under another name to verify", function()
      visit(client_context, server_context, { host = "localhost" })
      assert.is_false((visit(client_context, server_context, { host = "mail.example.test" })))
      assert.is_false((visit(client_context, server_context, { host = "127.0.0.1" })))
      assert.is_true((visit(client_context, server_context, { host = "localhost" })))
    end)

    it("never lets a wrong host pass that a full handshake would refuse", function()
      visit(client_context, server_context, { host = "localhost" })
      local client = pair.connect(client_context, server_context, { host = "wrong.test", peer = "localhost:25" })
      assert.are.equal("tls_verify", (client:failure()))
    end)

    it("is not offered by a context that verifies otherwise", function()
      local lax = pair.client_context { max_version = version, verify = false }
      assert.is_false((visit(lax, server_context)))
      assert.is_true((visit(lax, server_context)))
      assert.is_false((visit(client_context, server_context)))
    end)

    it("is not kept without a name for the server", function()
      assert.is_false((visit(client_context, server_context, { peer = false })))
      assert.is_false((visit(client_context, server_context, { peer = false })))
    end)

    it("does not survive a change of the server's keys", function()
      visit(client_context, server_context)
      assert.is_false((visit(client_context, pair.server_context("server", limits))))
      assert.is_true((pair.connect(client_context, server_context):state() == "open"))
    end)

    it("does not bring a bad certificate in: a failed handshake leaves nothing", function()
      local bad = pair.server_context("expired", limits)
      for _ = 1, 2 do
        local client = pair.connect(client_context, bad, { peer = "localhost:25" })
        assert.are.equal("tls_verify", (client:failure()))
      end
    end)

    it("keeps the pin: resumed only within the pinned context", function()
      local pin = pair.connect(client_context, server_context):fingerprint()
      local pinned = pair.client_context { max_version = version, cafile = "none", fingerprint = pin }
      assert.is_false((visit(pinned, server_context)))
      assert.is_true((visit(pinned, server_context)))
    end)

    it("is resumed with a client certificate", function()
      local options = { max_version = version, certfile = certs.path("client.pem"), keyfile = certs.path("client.key") }
      local context = pair.client_context(options)
      local server = pair.server_context("server", { cafile = certs.path("ca.pem"), verify = true })
      assert.is_false((visit(context, server)))
      assert.is_true((visit(context, server)))
    end)

    it("is forgotten when 64 newer ones have come", function()
      visit(client_context, server_context, { peer = "first" })
      for i = 1, 20 do visit(client_context, server_context, { peer = "peer " .. i }) end
      assert.is_true((visit(client_context, server_context, { peer = "first" })))
      for i = 1, 64 do visit(client_context, server_context, { peer = "peer " .. i }) end
      assert.is_false((visit(client_context, server_context, { peer = "first" })))
    end)
  end)
end

describe("a TLS 1.3 ticket", function()
  it("is used once: two connections never share one", function()
    local client_context, server_context = pair.client_context(), pair.server_context("server")
    visit(client_context, server_context)
    -- The server gave two tickets; a third connection at the same time has none.
    local clients = {}
    for i = 1, 3 do clients[i] = core.tls(client_context, "localhost", "localhost:25") end
    local resumed = 0
    for i = 1, 3 do
      local server = core.tls(server_context)
      pair.pump(clients[i], server)
      assert.are.equal("open", clients[i]:state())
      if clients[i]:resumed() then resumed = resumed + 1 end
    end
    assert.are.equal(2, resumed)
  end)
end)
