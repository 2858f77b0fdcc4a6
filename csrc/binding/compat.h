/* One source for Lua 5.1, LuaJIT, 5.2, 5.3 and 5.4: the few functions that the
 * older ones lack, under the newer names. */
#ifndef SMTP_BINDING_COMPAT_H
#define SMTP_BINDING_COMPAT_H

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 502

#define smtp_rawlen lua_objlen
#define smtp_setfuncs(L, l) luaL_register((L), NULL, (l))
/* One table of values per userdata: the environment on 5.1. */
#define smtp_getuservalue(L, i) lua_getfenv((L), (i))
#define smtp_setuservalue(L, i) lua_setfenv((L), (i))
#define smtp_newuserdata(L, size) lua_newuserdata((L), (size))

#else

#define smtp_rawlen lua_rawlen
#define smtp_setfuncs(L, l) luaL_setfuncs((L), (l), 0)
#if LUA_VERSION_NUM >= 504
#define smtp_getuservalue(L, i) ((void)lua_getiuservalue((L), (i), 1))
#define smtp_setuservalue(L, i) ((void)lua_setiuservalue((L), (i), 1))
#define smtp_newuserdata(L, size) lua_newuserdatauv((L), (size), 1)
#else
#define smtp_getuservalue(L, i) lua_getuservalue((L), (i))
#define smtp_setuservalue(L, i) lua_setuservalue((L), (i))
#define smtp_newuserdata(L, size) lua_newuserdata((L), (size))
#endif

#endif

#endif
