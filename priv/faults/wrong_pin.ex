# A page is put together from a header and a body, which are asked for at the same time: each answer is awaited by its reference. In
# the faulty variant the references are mixed up.

defmodule WrongPin.Part do
  @moduledoc "Renders one part of a page."
  use GenServer

  def start_link(name), do: GenServer.start_link(__MODULE__, name, name: name)
  def child_spec(name), do: %{id: name, start: {__MODULE__, :start_link, [name]}}

  def ask(name, page) do
    ref = make_ref()
    GenServer.cast(name, {:render, page, {self(), ref}})
    ref
  end

  @impl true
  def init(name), do: {:ok, %{name: name, rendered: 0}}

  @impl true
  def handle_cast({:render, page, {pid, ref}}, state) do
    send(pid, {ref, {:part, "#{inspect(state.name)} of #{page}"}})
    {:noreply, %{state | rendered: state.rendered + 1}}
  end
end

defmodule WrongPin.Pages do
  @moduledoc "Puts pages together."
  use GenServer
  alias WrongPin.{Body, Header, Part}

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)
  def page(name), do: GenServer.call(__MODULE__, {:page, name})

  @impl true
  def init(nil), do: {:ok, %{pages: 0}}

  @impl true
  def handle_call({:page, name}, _from, state) do
    header_ref = Part.ask(Header, name)
    body_ref = Part.ask(Body, name)

    header =
      receive do
        {^variant(healthy: header_ref, faulty: body_ref), {:part, text}} -> text
      end

    body =
      receive do
        {^variant(healthy: body_ref, faulty: header_ref), {:part, text}} -> text
      end

    {:reply, {:page, header, body}, %{state | pages: state.pages + 1}}
  end
end

defmodule WrongPin.Expectations do
  @moduledoc "What a page should be."
  use BeamScope.Expectation

  role :pages, WrongPin.Pages
  role :header, WrongPin.Header
  role :body, WrongPin.Body

  expect "a page is made of its header and its body" do
    flow do
      sent {:page, name}, from: client, to: :pages
      sent {:part, header}, from: :header, to: :pages
      sent {:page, header, _}, from: :pages, to: client
    end

    flow do
      sent {:part, body}, from: :body, to: :pages
      sent {:page, _, body}, from: :pages
    end
  end

  expect "every page was asked for" do
    causality sent({:page, _}, from: client, to: :pages) ~> sent({:page, _, _}, from: :pages, to: client),
      strict: true
  end

  expect "each part is rendered when it is asked for" do
    causality sent({:render, _, {pages, _}}, from: pages, to: part)
              ~> sent({:part, _}, from: part, to: pages),
              strict: true
  end

  expect "pages are counted" do
    transition :pages, %{pages: n} ~> %{pages: m} when m == n + 1, on: {:page, _}, all: true
  end

  expect "nothing crashes", do: refute_crash()
end

defmodule WrongPin do
  @moduledoc "One page."
  import BeamScopeFaults.Stage
  alias WrongPin.{Body, Expectations, Header, Pages, Part}

  def fault do
    %{
      title: "wrong pin",
      expectations: Expectations,
      breaks: "a page is made of its header and its body",
      at: &match?(%BeamScope.Event{kind: :send, content: {:page, "WrongPin.Body of home", _}}, &1),
      says: ["WrongPin.Pages", "{:page, \"WrongPin.Body of home\""]
    }
  end

  def run do
    start([{Part, Header}, {Part, Body}, Pages])
    client(:ann, fn -> Pages.page("home") end)
    result(:ann)
  end
end
