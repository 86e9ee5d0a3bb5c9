%% SPDX-License-Identifier: MIT
%%
%% usage: erl -noinput -pa DIRECTORY -s otp main WORK N [SERVICES]
%%
%% OTP's supervisor in the race: the works of bench/peers/works.lua in Erlang. A time is the processor time of all
%% threads, or that on the wall if it is less. What a hook is in other contestants is here a handler of the logger,
%% which the supervisor tells of each end.
-module(otp).
-behaviour(supervisor).
-export([main/1, init/1, start_service/1, log/2]).

-define(MEASURED, 16).

main([Work | Sizes]) ->
    ok = logger:remove_handler(default),
    [N | More] = [list_to_integer(atom_to_list(Size)) || Size <- Sizes],
    work(Work, N, hd(More ++ [1])),
    halt(0).

%% ---- supervisors and services ----

%% Restarts are never too many.
init({children, Children}) -> {ok, {#{strategy => one_for_one, intensity => 1000000000, period => 1}, Children}};
init({chain, N, N, Leaf}) -> init({children, [service("below", Leaf)]});
init({chain, Level, N, Leaf}) -> init({children, [nested("below", {chain, Level + 1, N, Leaf})]});
init({wide, Level, N, Leaf}) when Level + 1 =:= N -> init({children, [service(name(I), Leaf) || I <- [1, 2, 3]]});
init({wide, Level, N, Leaf}) -> init({children, [nested(name(I), {wide, Level + 1, N, Leaf}) || I <- [1, 2, 3]]}).

nested(Name, What) ->
    #{id => Name, start => {supervisor, start_link, [?MODULE, What]}, type => supervisor, shutdown => infinity}.

service(Name, Run) -> #{id => Name, start => {?MODULE, start_service, [Run]}}.

start_service(Run) -> {ok, proc_lib:spawn_link(Run)}.

serve() ->
    {ok, Root} = supervisor:start_link(?MODULE, {children, []}),
    Root.

add_service(Root, Name, Run) -> {ok, _} = supervisor:start_child(Root, service(Name, Run)).

stop(Root) ->
    unlink(Root),
    Watch = monitor(process, Root),
    exit(Root, shutdown),
    receive {'DOWN', Watch, process, Root, _} -> ok end.

idle() -> receive never -> ok end.

name(I) -> "service-" ++ integer_to_list(I).

%% A function that returns true for the last of so many that call it, and what waits until then.
last_of(Count) ->
    Main = self(),
    Seen = atomics:new(1, []),
    {fun() -> atomics:add_get(Seen, 1, 1) =:= Count andalso (Main ! all) end, fun() -> receive all -> ok end end}.

crowd(N) ->
    Root = serve(),
    {Begun, Wait} = last_of(N),
    Run = fun() -> Begun(), idle() end,
    [add_service(Root, name(I), Run) || I <- lists:seq(1, N)],
    Wait(),
    Root.

%% ---- measuring ----

cpu() -> {Ms, _} = erlang:statistics(runtime), Ms / 1000.

wall() -> erlang:monotonic_time(nanosecond) / 1.0e9.

start_clock() -> {cpu(), wall()}.

took({Cpu, Wall}) -> max(1.0e-4, min(cpu() - Cpu, wall() - Wall)).

collect() -> [erlang:garbage_collect(Pid) || Pid <- processes()], ok.

resident() ->
    {ok, Text} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:split(Text, " ", all),
    binary_to_integer(Pages) * 4096.

figure(Name, Value) -> io:format("~s ~.9g~n", [Name, float(Value)]).

%% ---- the works ----

work(add, N, _) ->
    stop(crowd(1000)),
    collect(),
    Began = start_clock(),
    crowd(N),
    figure(per_second, N / took(Began));
work(bytes, N, _) ->
    collect(),
    Before = resident(),
    crowd(N),
    collect(),
    figure(bytes, (resident() - Before) / N);
work(stop, N, _) ->
    stop(crowd(1000)),
    Root = crowd(N),
    collect(),
    Began = start_clock(),
    stop(Root),
    figure(per_second, N / took(Began));
work(panic, N, Services) ->
    Told = hear(panic),
    ends(Services + 1000, Services, fun fail/0),
    Took = ends(N, Services, fun fail/0),
    Events = N + Services + 1000,
    Events = counters:get(Told, 1),
    true = counters:get(Told, 2) > 50 * Events,
    figure(per_second, N / Took);
work('plain-end', N, Services) ->
    Told = hear(plain),
    ends(1000, Services, fun() -> ok end),
    Took = ends(N, Services, fun() -> ok end),
    Events = N + 1000,
    Events = counters:get(Told, 1),
    figure(per_second, N / Took);
work(chain, N, _) -> trees(1, fun(Leaf) -> {chain, 1, N, Leaf} end);
work(wide, N, _) -> trees(round(math:pow(3, N - 1)), fun(Leaf) -> {wide, 1, N, Leaf} end);
work(sleepers, N, _) -> sleepers(N);
work(pingpong, N, _) ->
    play(1000),
    Began = start_clock(),
    play(N),
    figure(per_second, N / took(Began));
work(yield, N, Services) ->
    give_way(100, Services),
    Began = start_clock(),
    give_way(N div Services, Services),
    figure(per_second, N / took(Began));
work(idle, N, _) ->
    crowd(N),
    timer:sleep(100),
    Began = cpu(),
    timer:sleep(5000),
    figure(cpu_ms, (cpu() - Began) * 1000);
work(cold, _, _) ->
    crowd(1),
    figure(rss_mb, resident() / 1048576).

%% ---- ends ----

%% Counts the ends that supervisors tell the logger of; of a panic the text and the trace are made too.
hear(Kind) ->
    Told = counters:new(2, []),
    ok = logger:add_handler(race, ?MODULE, #{config => {Kind, Told}, level => error}),
    Told.

log(#{msg := {report, #{label := {supervisor, child_terminated}, report := Report}}}, #{config := {Kind, Told}}) ->
    Kind =:= panic andalso read(proplists:get_value(reason, Report), Told),
    counters:add(Told, 1, 1);
log(_, _) -> ok.

read({Error, Stack}, Told) ->
    Text = io_lib:format("~p", [Error]),
    Trace = [io_lib:format("~s:~s/~w line ~w~n", [M, F, A, proplists:get_value(line, Where, 0)])
             || {M, F, A, Where} <- Stack, is_integer(A)],
    counters:add(Told, 2, iolist_size([Text, Trace])).

%% An error three calls deep; no call is a last one.
parse() -> error("out of luck").
handle() -> Parsed = parse(), [Parsed].
fail() -> Handled = handle(), [Handled].

ends(N, Services, Finish) ->
    Root = serve(),
    Left = atomics:new(1, []),
    atomics:put(Left, 1, N),
    {Settled, Wait} = last_of(Services),
    Run = fun() ->
        case atomics:sub_get(Left, 1, 1) >= 0 of
            true -> Finish();
            false -> Settled(), idle()
        end
    end,
    Began = start_clock(),
    [add_service(Root, name(I), Run) || I <- lists:seq(1, Services)],
    Wait(),
    Took = took(Began),
    stop(Root),
    Took.

%% ---- trees ----

plant(Leaves, Build) ->
    {Begun, Wait} = last_of(Leaves),
    Leaf = fun() -> Begun(), idle() end,
    collect(),
    Began = start_clock(),
    Root = serve(),
    {ok, _} = supervisor:start_child(Root, nested("tree", Build(Leaf))),
    Wait(),
    Start = took(Began),
    Standing = start_clock(),
    stop(Root),
    {Start, took(Standing)}.

trees(Leaves, Build) ->
    plant(Leaves, Build),
    {Starts, Stops} = lists:unzip([plant(Leaves, Build) || _ <- lists:seq(1, 5)]),
    figure(start_ms, lists:sum(Starts) / 5 * 1000),
    figure(stop_ms, lists:sum(Stops) / 5 * 1000).

%% ---- time, and giving way ----

%% Timers count whole milliseconds.
sleepers(N) ->
    Root = serve(),
    Wakeups = counters:new(1, [write_concurrency]),
    Watched = atomics:new(1, []),
    Run = fun(I) -> fun() -> sleeper(I rem ?MEASURED =:= 0, Wakeups, Watched, []) end end,
    [add_service(Root, name(I), Run(I)) || I <- lists:seq(1, N)],
    timer:sleep(500),
    atomics:put(Watched, 1, 1),
    Before = counters:get(Wakeups, 1),
    Began = start_clock(),
    timer:sleep(5000),
    {Cpu, _} = Began,
    Took = took(Began),
    Used = cpu() - Cpu,
    Count = counters:get(Wakeups, 1) - Before,
    atomics:put(Watched, 1, 0),
    figure(per_second, Count / Took),
    figure(cpu_us, Used / Count * 1.0e6),
    Late = lists:sort(lists:append([ask(Pid) || {Name, Pid, _, _} <- supervisor:which_children(Root), measured(Name)])),
    figure(p99_ms, lists:nth(ceil(length(Late) * 0.99), Late) * 1000).

measured("service-" ++ I) -> list_to_integer(I) rem ?MEASURED =:= 0.

ask(Pid) ->
    Pid ! {late, self()},
    receive {Pid, Late} -> Late end.

sleeper(Measured, Wakeups, Watched, Late) ->
    Span = rand:uniform(100),
    Due = Measured andalso wall() + Span / 1000,
    receive
        {late, From} ->
            From ! {self(), Late},
            sleeper(Measured, Wakeups, Watched, Late)
    after Span ->
        counters:add(Wakeups, 1, 1),
        Noted = Measured andalso atomics:get(Watched, 1) =:= 1,
        sleeper(Measured, Wakeups, Watched, case Noted of true -> [wall() - Due | Late]; false -> Late end)
    end.

play(Count) ->
    Root = serve(),
    Main = self(),
    {ok, Pong} = add_service(Root, "pong", fun() -> pong(Count), idle() end),
    add_service(Root, "ping", fun() -> Count = ping(Pong, 0, Count), Main ! played, idle() end),
    receive played -> ok end,
    stop(Root).

pong(0) -> ok;
pong(Left) -> receive {From, Ball} -> From ! Ball + 1, pong(Left - 1) end.

ping(_, Ball, 0) -> Ball;
ping(Pong, Ball, Left) ->
    Pong ! {self(), Ball},
    receive Back when is_integer(Back) -> ping(Pong, Back, Left - 1) end.

give_way(Each, Services) ->
    Root = serve(),
    {Done, Wait} = last_of(Services),
    [add_service(Root, name(I), fun() -> yields(Each), Done(), idle() end) || I <- lists:seq(1, Services)],
    Wait(),
    stop(Root).

yields(0) -> ok;
yields(Left) -> erlang:yield(), yields(Left - 1).
