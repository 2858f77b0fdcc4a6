-- The record of the dialogue: what it shows, and that no secret is in it,
-- however the caller had it sent.
local core = require "smtplib.core"

local function engine()
  local e = core.engine()
  e:input("220 hi\r\n")
  e:trace(true)
  assert.equal("reply", (e:next()))
  return e
end

local function settle(e)
  local wire = ""
  while true do
    local what = e:next()
    if what == "send" then
      wire = wire .. e:output()
    elseif what ~= "reply" and what ~= "challenge" then
      return wire, what
    end
  end
end

local function records(e)
  local list = {}
  while true do
    local direction, bytes = e:take_trace()
    if not direction then return table.concat(list) end
    list[#list + 1] = direction .. bytes
  end
end

describe("The trace", function()
  it("shows commands and replies as lines", function()
    local e = engine()
    e:command("EHLO", "me")
    settle(e)
    e:input("250-mx\r\n250 SIZE\r\n")
    settle(e)
    assert.equal("<220 hi\r\n>EHLO me\r\n<250-mx\r\n250 SIZE\r\n", records(e))
  end)

  it("shows an enhanced status code once", function()
    local e = engine()
    e:command("NOOP")
    settle(e)
    e:input("250-2.0.0 one\r\n250 2.0.0 two\r\n")
    settle(e)
    assert.equal("<250-2.0.0 one\r\n250 2.0.0 two\r\n", records(e):match("<250.*"))
  end)

  it("keeps nothing while it is off", function()
    local e = engine()
    records(e)
    e:trace(false)
    e:command("NOOP")
    settle(e)
    assert.equal("", records(e))
  end)

  local secret = "c2VjcmV0"
  local masked = {
    -- how the caller sends it                                                what is shown
    { "auth by the engine", function(e) return e:auth { mechanism = "PLAIN", user = "u", password = "secret", initial = true } end,
      ">AUTH PLAIN ****\r\n" },
    { "a command", function(e) return e:command("AUTH", "PLAIN " .. secret) end, ">AUTH PLAIN ****\r\n" },
    { "a command in lower case", function(e) return e:command("auth", "plain " .. secret) end, ">auth plain ****\r\n" },
    { "a verb with all in it", function(e) return e:command("AUTH PLAIN " .. secret) end, ">AUTH PLAIN ****\r\n" },
    { "a verb behind blanks", function(e) return e:command("  AUTH PLAIN " .. secret) end, ">****\r\n" },
    { "two blanks before it", function(e) return e:command("AUTH", "PLAIN  " .. secret) end, ">AUTH PLAIN ****\r\n" },
    { "two blanks before the mechanism", function(e) return e:command("AUTH", " PLAIN " .. secret) end, ">AUTH  ****\r\n" },
    { "raw bytes", function(e) return e:raw("AUTH PLAIN " .. secret .. "\r\n") end, ">AUTH PLAIN ****\r\n" },
    { "raw bytes with a tab", function(e) return e:raw("AUTH PLAIN\t" .. secret .. "\r\n") end, ">AUTH PLAIN ****\r\n" },
    { "raw bytes behind another line", function(e) return e:raw("NOOP\r\nAUTH PLAIN " .. secret .. "\r\nNOOP\r\n") end,
      ">NOOP\r\n>AUTH PLAIN ****\r\n>NOOP\r\n" },
    { "raw bytes without a line end", function(e) return e:raw("AUTH PLAIN " .. secret) end, ">AUTH PLAIN ****\r\n" },
  }

  for _, case in ipairs(masked) do
    it("masks the secret of AUTH in " .. case[1], function()
      local e = engine()
      records(e)
      assert.is_true(case[2](e))
      local wire = settle(e)
      local shown = records(e)
      assert.equal(case[3], shown)
      assert.is_truthy(wire:find(secret, 1, true) or wire:find("AHUAc2VjcmV0", 1, true))
    end)
  end

  it("masks challenges, responses and what follows a 334, by whatever way", function()
    local e = engine()
    records(e)
    e:auth_by_hand("LOGIN")
    settle(e)
    e:input("334 VXNlcm5hbWU6\r\n")
    settle(e)
    e:respond("secret user")
    settle(e)
    e:input("334 UGFzc3dvcmQ6\r\n")
    settle(e)
    e:respond("secret word")
    settle(e)
    e:input("235 ok\r\n")
    settle(e)
    e:command("AUTH", "LOGIN")
    settle(e)
    e:input("334 VXNlcm5hbWU6\r\n")
    settle(e)
    e:command("c2VjcmV0")
    settle(e)
    e:input("334 UGFzc3dvcmQ6\r\n")
    settle(e)
    e:raw("c2VjcmV0\r\n")
    settle(e)
    assert.equal(">AUTH LOGIN\r\n<334 ****\r\n>****\r\n<334 ****\r\n>****\r\n<235 ok\r\n"
      .. ">AUTH LOGIN\r\n<334 ****\r\n>****\r\n<334 ****\r\n>****\r\n", records(e))
  end)
end)
