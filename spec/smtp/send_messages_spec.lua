-- send_messages: results, callbacks, refusals, lost connections (API section 3.4).
local client = require "spec.support.client"
local smtplib = require "smtplib"

local function greeted(peer_options, options)
  local server, peer = client.connect(peer_options, options)
  server:ehlo()
  return server, peer
end

-- n messages to different recipients, "m1" to "mn".
local function batch(n)
  local list = {}
  for i = 1, n do
    list[i] = { from = "a@b.example", to = ("r%d@d.example"):format(i), message = "m" .. i }
  end
  return list
end

-- What arrived, as "m1 m3".
local function arrived(peer)
  local names = {}
  for i, message in ipairs(peer.messages) do names[i] = message.data:match("m%d+") end
  return table.concat(names, " ")
end

local together = { CHUNKING = false }
local apart = { CHUNKING = false, PIPELINING = false }

describe("send_messages", function()
  it("returns a result for each: refused and reply", function()
    local server, peer = greeted { replies = { ["RCPT x@y.example"] = "550 5.1.1 no" } }
    local list = batch(3)
    list[2].to = { "x@y.example", "ok@y.example" }
    local results, err = server:send_messages(list)
    assert.is_nil(err)
    assert.equal(3, #results)
    for i = 1, 3 do
      assert.is_nil(results[i].err)
      assert.equal(250, results[i].reply[1])
      assert.equal("taken as " .. i, results[i].reply[2])
      assert.same(i == 2 and { ["x@y.example"] = { 550, "no", "5.1.1" } } or {}, results[i].refused)
    end
    assert.equal("m1 m2 m3", arrived(peer))
    assert.equal(250, (server:noop()))
  end)

  it("takes an iterator, and asks it for one after another", function()
    local server, peer = greeted()
    local list, i = batch(3), 0
    local results = server:send_messages(function()
      i = i + 1
      return list[i]
    end)
    assert.equal(3, #results)
    assert.equal("m1 m2 m3", arrived(peer))
  end)

  it("takes Messages, with and without an envelope", function()
    local server, peer = greeted()
    local message = smtplib.email.Message { from = "a@b.example", to = "c@d.example", bcc = "x@y.example", text = "m1" }
    local results = server:send_messages { message, { message = message },
      { from = "e@f.example", to = "g@h.example", message = message } }
    assert.equal(3, #results)
    for i = 1, 3 do
      assert.same({}, results[i].refused)
      assert.is_nil(peer.messages[i].data:find("x@y", 1, true))
    end
    assert.equal(2, #peer.messages[1].to)
    assert.equal("e@f.example", peer.messages[3].from)
  end)

  it("takes options with each", function()
    local server, peer = greeted()
    local list = batch(2)
    list[1].mail_options, list[1].rcpt_options = { RET = "HDRS" }, { NOTIFY = "NEVER" }
    server:send_messages(list)
    assert.equal("HDRS", peer.messages[1].from_params.RET)
    assert.equal("NEVER", peer.messages[1].to[1].params.NOTIFY)
    assert.is_nil(peer.messages[2].from_params.RET)
  end)

  it("of none is an empty table", function()
    local server, peer = greeted()
    assert.same({}, server:send_messages {})
    assert.equal(1, #peer:commands())
  end)

  it("tells on_result, keeps nothing and counts", function()
    local server = greeted { replies = { ["RCPT r2@d.example"] = "550 no" } }
    local told = {}
    local sent, failed = server:send_messages(batch(3), { on_result = function(i, result) told[i] = result end })
    assert.same({ 2, 1 }, { sent, failed })
    assert.equal(250, told[1].reply[1])
    assert.equal("SMTPRecipientsRefused", told[2].err.name)
    assert.equal(250, told[3].reply[1])
  end)

  for title, extensions in pairs { ["with PIPELINING"] = together, ["without PIPELINING"] = apart } do
    for _, overlap in ipairs { "auto", true, false } do
      it(("never stops for one message's refusal, %s, overlap %s"):format(title, tostring(overlap)), function()
        local rows = {
          { { ["MAIL a@b.example"] = function(session)
            session.nth = (session.nth or 0) + 1
            return session.nth == 2 and "550 5.0.0 no" or nil
          end }, "SMTPSenderRefused" },
          { { ["RCPT r2@d.example"] = "550 5.0.0 no" }, "SMTPRecipientsRefused" },
          { { DATA = function(session)
            return session.to[1] and session.to[1].addr == "r2@d.example" and "451 4.0.0 no" or nil
          end }, "SMTPDataError" },
          { { ["."] = function(session)
            return session.to[1].addr == "r2@d.example" and "554 5.0.0 no" or nil
          end }, "SMTPDataError" },
        }
        for _, row in ipairs(rows) do
          local server, peer = greeted { replies = row[1], extensions = extensions }
          local results = server:send_messages(batch(4), { overlap = overlap })
          assert.equal(4, #results)
          for i = 1, 4 do
            if i == 2 then
              assert.equal(row[2], results[i].err and results[i].err.name)
              assert.equal("none", results[i].err.delivery)
            else
              assert.is_nil(results[i].err, tostring(results[i].err))
              assert.same({}, results[i].refused)
            end
          end
          assert.equal("m1 m3 m4", arrived(peer))
          assert.equal(1, #peer.connects)
          assert.equal(0, peer:finding("unsynchronised"))
          assert.equal(0, peer:finding("pipelined_unoffered"))
          assert.equal(250, (server:noop()))
        end
      end)

      it(("marks what a lost connection left unknown and goes on, %s, overlap %s"):format(title, tostring(overlap)), function()
        for _, how in ipairs { "lost", true } do
          local lost = {}
          local server, peer = greeted {
            extensions = extensions,
            replies = { ["."] = function(session)
              if session.to[1].addr == "r2@d.example" and not lost[1] then
                lost[1] = true
                return { "250 2.0.0 taken", disconnect = how }
              end
            end },
          }
          local results = server:send_messages(batch(4), { overlap = overlap })
          assert.equal(4, #results)
          for i = 1, 4 do
            if i == 2 then
              assert.equal("SMTPServerDisconnected", results[i].err.name)
              assert.equal("unknown", results[i].err.delivery)
            else
              assert.is_nil(results[i].err, tostring(results[i].err))
            end
          end
          -- What may have been taken is never sent again.
          assert.equal(how == "lost" and "m1 m2 m3 m4" or "m1 m3 m4", arrived(peer))
          assert.equal(2, #peer.connects)
        end
      end)

      it(("sends again what was surely not taken, %s, overlap %s"):format(title, tostring(overlap)), function()
        for _, verb in ipairs { "MAIL", "RCPT", "DATA" } do
          local lost
          local server, peer
          server, peer = greeted {
            extensions = extensions,
            replies = { [verb] = function()
              if #peer.messages == 1 and not lost then
                lost = true
                return { "250 x", disconnect = true }
              end
            end },
          }
          local results = server:send_messages(batch(3), { overlap = overlap })
          for i = 1, 3 do assert.is_nil(results[i].err, tostring(results[i].err)) end
          assert.equal("m1 m2 m3", arrived(peer))
          assert.equal(2, #peer.connects)
        end
      end)
    end
  end

  it("marks all of the rest when nobody can be reached again", function()
    local server, peer = greeted { disconnect = { ["."] = true } }
    peer.options.replies = { QUIT = "221 bye" }
    local connects = 0
    local connect = peer.connect
    peer.connect = function()
      connects = connects + 1
      return nil, "ECONNREFUSED"
    end
    finally(function() peer.connect = connect end)
    local results = server:send_messages(batch(3))
    assert.equal(3, #results)
    assert.equal("unknown", results[1].err.delivery)
    for i = 2, 3 do
      assert.equal("none", results[i].err.delivery)
      assert.is_true(results[i].err.temporary)
    end
    assert.truthy(connects >= 1)
    assert.is_false(server:is_open())
  end)

  it("tells of a bad message, and sends the others", function()
    local server, peer = greeted()
    local list = batch(4)
    list[2].to = "no address at all"
    list[3].to = {}
    local results = server:send_messages(list)
    assert.equal("SMTPException", results[2].err.name)
    assert.equal("SMTPRecipientsRefused", results[3].err.name)
    assert.same({}, results[4].refused)
    assert.equal("m1 m4", arrived(peer))
  end)

  it("costs M+1 round trips with PIPELINING", function()
    -- A port of its own: servers that lost a message are remembered.
    local server, peer = greeted({ extensions = together }, { port = 2526 })
    local turns = peer.turns
    server:send_messages(batch(10))
    assert.equal(11, peer.turns - turns)
    server, peer = greeted { extensions = together }
    turns = peer.turns
    server:send_messages(batch(10), { overlap = false })
    assert.equal(20, peer.turns - turns)
  end)

  it("with a source that fails marks that message only", function()
    local server, peer = greeted()
    local list = batch(3)
    list[2].message = function() return nil, "no more paper" end
    local results = server:send_messages(list)
    assert.is_nil(results[1].err)
    assert.truthy(tostring(results[2].err):find("no more paper", 1, true))
    assert.equal("none", results[2].err.delivery)
    assert.is_nil(results[3].err, tostring(results[3].err))
    assert.equal("m1 m3", arrived(peer))
  end)
end)
